"""What is found by what a program is made of is what its text would have found."""

from functools import partial

import numpy as np
import optax
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn import guides
from pymc_bnn.runtime import compilation

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 3))


def same(known, made):
    """Of equal texts executables are one object, while they are kept."""
    executables = [one for one in (known, made) if hasattr(one, "as_text")]
    return known is made or known == made or len({one.as_text() for one in executables}) == 1


@pytest.fixture
def hits(monkeypatch):
    """Count what is found by key, each time comparing it with what is made by tracing."""
    found, plain = [], compilation.remembered

    def checked(known, key, make, most):
        if known is compilation._of_keys and key in known:
            made = make()
            assert same(known[key], made)
            found.append(key)
        return plain(known, key, make, most)

    monkeypatch.setattr(compilation, "remembered", checked)
    return found


def build(n=90, scale=1.0, units=4, likelihood=pm.Normal, potential=False, activation="tanh"):
    x = X[:n]
    with pm.Model() as model:
        network = bnn.networks.mlp((3, units, 1), activation=activation)
        out = bnn.bayesian(network, pm.Data("x", x), bnn.priors.Normal(0, scale))
        sigma = pm.HalfNormal("sigma", 1)
        likelihood("y", out[:, 0], sigma, observed=np.sin(x[:, 0]), shape=out.shape[0])
        if potential:
            pm.Potential("more", -(sigma**2))
    return model


def halved(step):
    return 0.5 if step is None else 0.5 + 0 * step


MODELS = [
    {},
    {"n": 80},
    {"scale": 2.0},
    {"units": 5},
    {"likelihood": pm.Laplace},
    {"potential": True},
    {"activation": "relu"},
]
OPTIONS = [
    {},
    {"steps": 7},
    {"batch_size": 31},
    {"batch_size": 90},
    {"batch_size": None},
    {"particles": 2},
    {"learning_rate": 0.02},
    {"scale_learning_rate": 0.02},
    {"optimizer": optax.sgd(1e-4)},
    {"optimizer": optax.sgd(1e-3)},
    {"kl_weight": 0.5},
    {"kl_weight": halved},
    {"kl_warmup": 3},
    {"estimator": "pathwise"},
    {"estimator": "flipout"},
    {"guide": guides.LowRank(rank=1)},
    {"guide": {"sigma": guides.Delta()}},
    {"dtype": "float64"},
    {"members": 2},
    {"recover": 1},
    {"steps": None, "epochs": 2},
]


def fits(model, **options):
    own = {"steps": 5, "batch_size": 30, "progressbar": False, "random_seed": 1, **options}
    return bnn.fit(model, **own)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*cold network")
@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.long), 3])
def test_fits_that_differ_in_one_thing(hits, every):
    """Each twice, so that the second meets what the first and all others have left."""
    counted = []
    for _ in range(2):
        runs = [partial(fits, build(**own)) for own in MODELS]
        runs += [partial(fits, build(), **own) for own in OPTIONS]
        for run in runs[::every]:
            fitted = run()
            if fitted.posterior.__class__.__name__ == "GuidePosterior":
                fitted.elbo(2, random_seed=1)
            fitted.predict({"x": X[:5]}, draws=3, random_seed=1)
        counted.append(len(hits))
    assert counted[1] - counted[0] > len(runs[::every])


def test_a_model_that_changed_is_not_the_one_that_it_was(hits):
    model = build()
    before = fits(model)
    with model:
        pm.Potential("more", -10 * model["sigma"])
    after = fits(model)
    assert not np.allclose(before.params["sigma"]["loc"], after.params["sigma"]["loc"])
    pm.set_data({"x": X + 1.0}, model=model)
    shifted = fits(model)
    assert not np.allclose(shifted.params["sigma"]["loc"], after.params["sigma"]["loc"])


def test_a_second_fit_is_not_traced(monkeypatch):
    model = build()
    first = fits(model)

    def traced(self, signature, args):
        raise AssertionError(f"traced again: {self._made_of[0]}")

    monkeypatch.setattr(compilation.Compiled, "_made", traced)
    again = fits(build())
    assert np.array_equal(first.params["sigma"]["loc"], again.params["sigma"]["loc"])
