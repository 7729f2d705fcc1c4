"""Small fits of many kinds, and what is asked of them before and after they were saved."""

import warnings

import numpy as np
import optax
import pandas as pd
import pymc as pm

import pymc_bnn as bnn

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 3))
Y = X[:, 0] + 0.1 * RNG.normal(size=40)
LABELS = (Y > 0).astype(int) + (Y > 1)
G = np.arange(40) % 4
QUIET = {"steps": 6, "random_seed": 1, "progressbar": False}
NEW = {"x": X[:5] + 1}
FITS = {}


def kind(function):
    """Register a function that returns a fit."""
    FITS[function.__name__] = function
    return function


def regression(prior=None, **options):
    """Return a fit of a small network."""
    chosen = {} if prior is None else {"prior": prior}
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp((3, 4, 1)), pm.Data("x", X), **chosen)[:, 0]
        pm.Normal("y", pm.Deterministic("m", f), pm.HalfNormal("s"), observed=Y, shape=f.shape)
    return bnn.fit(model, **{**QUIET, **options})


def refined(fitted):
    """Return a fit refined by a few draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        options = {"tune": 4, "max_tree_depth": 2, "progressbar": False, "random_seed": 1}
        return fitted.refine(4, **options)


@kind
def plain():
    return regression()


@kind
def guides():
    g = bnn.guides
    own = {"a": g.FullRank(), "b": g.LowRank(1), "c": g.Delta(), "d": g.VariationalDropout()}
    with pm.Model() as model:
        w = sum(pm.Normal(name, shape=3) for name in (*own, "mean_field"))
        pm.Normal("y", pm.Deterministic("m", pm.Data("x", X) @ w), pm.HalfNormal("s"), observed=Y)

    def weight(step):
        return 0.1 + 0.1 * step

    return bnn.fit(model, kl_weight=weight, batch_size=10, guide=own, **QUIET)


@kind
def classes():
    with pm.Model() as model:
        layers = bnn.networks.mlp((3, 4, 3), dropout=0.2)
        out = pm.Deterministic("m", bnn.bayesian(layers, pm.Data("x", X)))
        pm.Categorical("y", logit_p=out, observed=LABELS)
    return bnn.fit(model, dtype="float64", members=2, **QUIET)


@kind
def streamed():
    with pm.Model() as model:
        m = pm.Deterministic("m", pm.Data("x", X[:9]) @ pm.Normal("w", shape=3))
        pm.Normal("y", m, 1, observed=Y[:9])
    names = pd.DataFrame(X, columns=list("abc"))
    return bnn.fit(model, data=[{"x": names, "y": Y}], total_size=80, **QUIET)


@kind
def drawn():
    return refined(regression(members=2))


@kind
def latents():
    with pm.Model() as model:
        u = pm.Normal("u", 0, 1, shape=40)
        pm.Normal("y", u + pm.Normal("b"), 1, observed=Y)
    return bnn.fit(model, batch_size=20, **QUIET)


@kind
def hierarchical():
    with pm.Model(coords={"school": list("abcd"), "obs": range(40)}) as model:
        g = pm.Data("x", G, dims="obs")
        a = pm.Normal("a", pm.Normal("mu"), pm.HalfCauchy("tau", 2), dims="school")
        pm.Deterministic("m", 2 * a, dims="school")
        pm.Normal("y", a[g], pm.Exponential("s", 1), observed=Y, dims="obs")
    return bnn.fit(model, **QUIET)


@kind
def standardised():
    with pm.Model() as model:
        x, unit = bnn.standardise("x", pd.DataFrame(X, columns=list("abc"))), bnn.Scale.of(Y)
        f = bnn.bayesian(bnn.networks.mlp((3, 4, 1)), x)[:, 0]
        pm.Normal("y", unit.mu(f), unit.sigma(pm.HalfNormal("n")), observed=Y, shape=f.shape)
    return bnn.fit(model, optimizer=optax.adam(0.01), **QUIET)


@kind
def two_samples():
    with pm.Model() as model:
        mu = pm.Normal("mu")
        pm.Normal("y", mu, 1, observed=Y)
        pm.Normal("z", mu, 1, observed=Y[:30])
    return bnn.fit(model, batch_size=20, **QUIET)


@kind
def gaussian_process():
    with pm.Model() as model:
        gp = pm.gp.HSGP(m=[5], c=1.5, cov_func=pm.gp.cov.ExpQuad(1, pm.Gamma("ls", 2, 1)))
        f = gp.prior("m", X=pm.Data("x", X[:, :1]))
        pm.Normal("y", f, 1, observed=Y, shape=f.shape)
    return bnn.fit(model, **QUIET)


@kind
def until_converged():
    return regression(steps=None, guide=bnn.guides.FullRank())


@kind
def tempered():
    return regression(kl_weight="auto", steps=60)


@kind
def stacked():
    mixture, held_out = classes(), {"x": X[:20], "y": LABELS[:20]}
    return mixture.stack(held_out)  # noqa: PD013


@kind
def potential():
    with pm.Model() as model:
        pm.Potential("p", -((pm.Normal("mu") - Y) ** 2))
    return bnn.fit(model, **QUIET)


@kind
def images():
    with pm.Model() as model:
        x = pm.Data(
            "x", RNG.normal(size=(20, 28, 28, 1)).astype("float32"), shape=(None, 28, 28, 1)
        )
        pm.Categorical("y", logit_p=bnn.bayesian(bnn.networks.lenet5(), x), observed=G[:20])
    return bnn.fit(model, batch_size=10, **{**QUIET, "steps": 2})


def make(name):
    """Return a fit by its name, whatever it warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FITS[name]()


def new_data(fitted):
    """Return new data of a fit; None where it takes none."""
    data = {d.name: d.value for d in fitted.problem.for_predictions.data}
    if "x" not in data:
        return None
    x = data["x"]
    if x.dtype.kind == "i":
        return {"x": np.array([3, 0, 1])}
    return {"x": np.linspace(-1, 1, 2 * int(np.prod(x.shape[1:]))).reshape(2, *x.shape[1:])}


def answers(fitted):
    """Return what a fit answers without its data, as arrays by name."""
    found = {f"sample {k}": v.values for k, v in fitted.sample(3, random_seed=1).posterior.items()}
    found |= {f"mean {k}": v.values for k, v in fitted.mean.items()}
    for name in ("summary", "history", "kl_path", "convergence"):
        try:
            frame = getattr(fitted, name, None)
            frame = frame() if callable(frame) else frame
        except (TypeError, ValueError) as error:
            frame = type(error).__name__
        found[name] = frame if isinstance(frame, pd.DataFrame) else np.array([str(frame)])
    new = new_data(fitted)
    if new is not None:
        prediction = fitted.predict(new, 4, random_seed=1)
        for name, one in prediction.variables.items():
            found[f"predict {name}"] = getattr(one, "mean_probs", getattr(one, "mean", None))
    return {**found, "repr": np.array([repr(fitted)])}


def check_same(found, expected):
    """Raise unless two answers are equal bit by bit."""
    assert set(found) == set(expected)
    for name, own in expected.items():
        if isinstance(own, pd.DataFrame):
            pd.testing.assert_frame_equal(found[name], own, obj=name)
        else:
            np.testing.assert_array_equal(found[name], own, err_msg=name)
