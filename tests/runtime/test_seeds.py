"""One seed for everything: no public function draws what another one, or a step of a fit, drew."""

import inspect
from itertools import combinations

import jax
import numpy as np
import optax
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn import efficiency, pruning
from pymc_bnn.runtime.noise import draw_noise, key_of, words_of
from pymc_bnn.runtime.precision import precision

SEEDS = range(30)
LIMIT = 0.8  # of the correlation of 30 independent pairs: 5 standard errors
Y = np.full(6, 300.0)  # so far away that a log-density is linear in the draw
STEPS = 4

# A number of a seed that rises or falls with the draws of s and mu, and nearly nothing else.
FUNCTIONS = {
    "sample": lambda f, seed: (
        f.sample(1, var_names="m", random_seed=seed).posterior["m"].values[0, 0, 0]
    ),
    "predict": lambda f, seed: f.predict(draws=1, var_names="m", random_seed=seed)["m"].mean[0],
    "elbo": lambda f, seed: f.elbo(2, random_seed=seed)["nll"],
    "kl": lambda f, seed: f.kl(1, random_seed=seed)["mu"],
}
ELSEWHERE = {
    "predict_to": "gives what predict gives, tests/prediction/test_stores.py",
    "elpd": "of what predict gives",
    "to_datatree": "the posterior is that of sample, tests/arviz_trees/test_trees.py",
    "loo": "of the draws of to_datatree",
    "k_fold": "fits with seeds of their own, and what predict gives",
    "prior_predictive_check": "NumPy's streams",
    "nll": "of what predict gives, tests/prediction/test_predict.py",
    "fit": "the steps",
    "bayesian": "NumPy's streams, by name",
    "gradient_variance": "below",
    "diagnose": "purposes of their own, below; of held-out data what predict gives",
    "pruning_table": "of what predict gives",
    "refine": "NUTS's, of purposes of their own, below",
    "simulation_based_calibration": "NumPy's streams, seeds of each fit, a purpose of its own",
}

PURPOSES = [
    "gradient variance", "moments", "k_hat", "look", "refine", "start of chains", "simulation",
]  # fmt: skip


@pytest.fixture(scope="module")
def fitted():
    with pm.Model() as model:
        s = pm.Normal("s", 0, 1)
        mu = pm.Normal("mu", s, 1)
        m = pm.Deterministic("m", mu + s + 0 * pm.Data("x", Y))
        pm.Normal("y", m, 1, observed=Y)
    return bnn.fit(
        model, steps=STEPS, start={"mu": 30.0}, optimizer=optax.sgd(0.0), random_seed=3,
        progressbar=False,
    )  # fmt: skip


def step_noise(fitted, seed):
    """The sum of both variables' noise at each of the first steps of a fit with this seed."""
    key = jax.random.fold_in(jax.random.key(seed), 0)
    with precision("float32"):
        drawn = (
            draw_noise(jax.random.fold_in(key, t), fitted.program.elbo.noise, 1, "float32")
            for t in range(STEPS)
        )
        return [float(sum(map(np.sum, noise.values()))) for noise in drawn]


def test_the_formula_is_that_of_a_fit(fitted):
    r = np.corrcoef(step_noise(fitted, 3), fitted.history["nll"])[0, 1]
    assert r < -0.999


@pytest.mark.filterwarnings("ignore:one draw has no spread")
def test_no_function_repeats_the_noise_of_a_fit_or_of_another_one(fitted):
    found = {name: [f(fitted, seed) for seed in SEEDS] for name, f in FUNCTIONS.items()}
    steps = np.transpose([step_noise(fitted, seed) for seed in SEEDS])
    found |= {f"step {t}": noise for t, noise in enumerate(steps)}
    for one, other in combinations(found, 2):
        assert abs(np.corrcoef(found[one], found[other])[0, 1]) < LIMIT, (one, other)


def test_every_public_function_with_a_seed_is_looked_at():
    places = [bnn, bnn.Approximation, efficiency, pruning]
    public = {n: getattr(place, n) for place in places for n in dir(place) if n[0] != "_"}
    seeded = {
        name
        for name, f in public.items()
        if inspect.isfunction(f) and "random_seed" in inspect.signature(f).parameters
    }
    assert seeded - {"key_of", "seed_of"} == {*FUNCTIONS, *ELSEWHERE}


def test_keys_of_purposes_are_no_keys_of_a_fit():
    keys = [key_of(7, p) for p in (*FUNCTIONS, *PURPOSES)]
    keys += [jax.random.key(7), *(jax.random.fold_in(jax.random.key(7), i) for i in (0, 1))]
    words = {tuple(np.asarray(words_of(k)).tolist()) for k in keys}
    assert len(words) == len(keys)
