"""Random small PyMC models, and their fits against PyMC's own log-density in float64."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np
import optax
import pymc as pm
import pytensor.tensor as pt
from hypothesis import strategies as st
from pytensor.compile.mode import Mode
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn.approximation import Approximation
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.state import on_host
from pymc_bnn.inference.vi import VI
from pymc_bnn.runtime.noise import draw_noise
from pymc_bnn.runtime.precision import precision

DRAWS = 100
UNOPTIMISED = Mode(linker="py", optimizer="fast_compile")
KINDS = ("float", "int", "int8", "uint8", "int16", "int64", "float32", "array", "pm.Data")
REAL = ("Normal", "Laplace", "StudentT", "Cauchy", "Logistic", "Uniform", "Gumbel")
POSITIVE = (
    *("HalfNormal", "Exponential", "Gamma", "InverseGamma", "LogNormal"),
    *("HalfCauchy", "HalfStudentT", "Weibull"),
)
SECOND = (None, "same rows", "other rows", "total")
LIKELIHOODS = (
    *("Normal", "Laplace", "StudentT", "Gamma", "LogNormal", "Poisson", "NegativeBinomial"),
    *("Binomial", "Bernoulli", "Categorical", "ZeroInflatedPoisson", "BetaBinomial"),
)


@dataclass
class Spec:
    """A model as the choices that made it."""

    choices: dict[str, Any] = field(default_factory=dict)

    def model(self, floats: bool = False) -> pm.Model:
        """Build it; with `floats` every whole number in it is a float."""
        return _build(self.choices, floats)

    def __repr__(self) -> str:
        return f"Spec({self.choices})"


def random_spec(pick: Callable[[tuple], Any]) -> Spec:
    """Choose a model; `pick` takes one of some options, of which the first is the simplest."""
    c: dict[str, Any] = {
        "n": pick((7, 12, 30, 300)),
        "predictor": pick(("a", "a + b x", "a[g]", "a[g] + b x")),
        "x": pick(("float64", "float32", "int8", "int64")),
        "x is": pick(("pm.Data", "array")),
        "y is": pick(("array", "pm.Data")),
        "location": pick(REAL),
        "hierarchy": pick((False, True)),
        "scale": pick(POSITIVE),
        "likelihood": pick(LIKELIHOODS),
        "second": pick(SECOND),
        "potential": pick((None, "of a parameter", "of rows")),
        "dtype": pick(("float32", "float64")),
        "batch_size": pick((None, "auto", 5)),
        "seed": pick(tuple(range(5))),
    }
    for name in ("location", "scale", "likelihood"):
        c[name + " numbers"] = tuple((pick(KINDS), pick((1, 2, 3, 12, 100, 200))) for _ in "abc")
    return Spec(c)


@st.composite
def specs(draw: Any) -> Spec:
    """A strategy of hypothesis."""
    return random_spec(lambda options: draw(st.sampled_from(options)))


def _typed(kind: str, value: int, name: str, floats: bool) -> Any:
    if kind == "int8":
        value = min(value, 127)
    if kind == "pm.Data":
        return pm.Data(name, float(value) if floats else value)
    if floats:  # PyTensor keeps a Python float in the smallest type that holds it
        return np.float64(value)
    if kind == "float":
        return float(value)
    if kind == "array":
        return np.array(value, "int16")
    return value if kind == "int" else np.dtype(kind).type(value)


def _build(c: dict[str, Any], floats: bool) -> pm.Model:
    rng = np.random.default_rng(c["seed"])
    n, k = c["n"], 3

    def numbers(name: str) -> list[Any]:
        return [
            _typed(kind, value, f"{name}_{i}", floats)
            for i, (kind, value) in enumerate(c[name + " numbers"])
        ]

    with pm.Model() as model:
        x = rng.normal(size=n) if c["x"].startswith("f") else rng.integers(-3, 4, n)
        x = x.astype(c["x"]).astype("float64" if floats else c["x"])
        x = pm.Data("x", x) if c["x is"] == "pm.Data" else pt.as_tensor(x)
        g = pm.Data("g", rng.integers(0, k, n))
        p, q, r = numbers("location")
        own = {
            "Normal": lambda name, s, **kw: pm.Normal(name, p, s, **kw),
            "Laplace": lambda name, s, **kw: pm.Laplace(name, p, s, **kw),
            "StudentT": lambda name, s, **kw: pm.StudentT(name, nu=r, mu=p, sigma=s, **kw),
            "Cauchy": lambda name, s, **kw: pm.Cauchy(name, p, s, **kw),
            "Logistic": lambda name, s, **kw: pm.Logistic(name, p, s, **kw),
            "Gumbel": lambda name, s, **kw: pm.Gumbel(name, p, s, **kw),
            "Uniform": lambda name, s, **kw: pm.Uniform(name, -100, q, **kw),
        }[c["location"]]
        u, v, _ = numbers("scale")
        positive = {
            "HalfNormal": lambda name: pm.HalfNormal(name, u),
            "Exponential": lambda name: pm.Exponential(name, u),
            "Gamma": lambda name: pm.Gamma(name, u, v),
            "InverseGamma": lambda name: pm.InverseGamma(name, u, v),
            "LogNormal": lambda name: pm.LogNormal(name, 0, 1 + 0 * v),
            "HalfCauchy": lambda name: pm.HalfCauchy(name, u),
            "HalfStudentT": lambda name: pm.HalfStudentT(name, u, v),
            "Weibull": lambda name: pm.Weibull(name, u, v),
        }[c["scale"]]
        s = positive("s")
        width = s if c["hierarchy"] else q
        groups = "[g]" in c["predictor"]
        a = own("a", width, **({"shape": k} if groups else {}))
        eta = a[g] if groups else a
        if "b x" in c["predictor"]:
            eta = eta + own("b", q) * x
        eta = eta + 0.0 * x if eta.ndim == 0 else eta  # any number of rows
        _likelihood("y", c, eta, s, n, rng, numbers("likelihood"))
        if c["second"] == "total":
            pm.Normal("y2", eta.sum(), 20.0, observed=float(n))
        elif c["second"] is not None:
            m = n if c["second"] == "same rows" else n + 4
            pm.Normal("y2", a.sum() if groups else a, s, observed=rng.normal(size=m))
        if c["potential"] == "of a parameter":
            pm.Potential("p", -0.5 * (a / 10).sum() ** 2)
        elif c["potential"] == "of rows":
            pm.Potential("p", -0.5 * (eta / 10) ** 2)
    return model


def _likelihood(
    name: str, c: dict[str, Any], eta: Any, s: Any, n: int, rng: Any, numbers: list[Any]
) -> None:
    small = pt.tanh(eta / 100)  # where a link needs it
    count = 3 + rng.integers(0, 9, n)
    u, v, _ = numbers
    law = c["likelihood"]
    y = {
        "Gamma": rng.gamma(2.0, 1.0, n),
        "LogNormal": rng.gamma(2.0, 1.0, n),
        "Poisson": count,
        "ZeroInflatedPoisson": count * rng.integers(0, 2, n),
        "NegativeBinomial": count,
        "Binomial": np.minimum(count, 1),
        "BetaBinomial": np.minimum(count, 1),
        "Bernoulli": rng.integers(0, 2, n),
        "Categorical": rng.integers(0, 3, n),
    }.get(law, rng.normal(size=n))
    observed = pm.Data("y_data", y) if c["y is"] == "pm.Data" else y
    {
        "Normal": lambda **kw: pm.Normal(name, eta, u, **kw),
        "Laplace": lambda **kw: pm.Laplace(name, eta, s, **kw),
        "StudentT": lambda **kw: pm.StudentT(name, nu=u, mu=eta, sigma=v, **kw),
        "Gamma": lambda **kw: pm.Gamma(name, u, pt.exp(small), **kw),
        "LogNormal": lambda **kw: pm.LogNormal(name, eta, v, **kw),
        "Poisson": lambda **kw: pm.Poisson(name, u * pt.exp(small), **kw),
        "ZeroInflatedPoisson": lambda **kw: pm.ZeroInflatedPoisson(
            name, 0.6, u * pt.exp(small), **kw
        ),
        "NegativeBinomial": lambda **kw: pm.NegativeBinomial(name, mu=pt.exp(small), alpha=u, **kw),
        "Binomial": lambda **kw: pm.Binomial(name, u, logit_p=small, **kw),
        "BetaBinomial": lambda **kw: pm.BetaBinomial(name, pt.exp(small), v, u, **kw),
        "Bernoulli": lambda **kw: pm.Bernoulli(name, logit_p=small, **kw),
        "Categorical": lambda **kw: pm.Categorical(
            name, logit_p=pt.stack([small, -small, 0 * small], axis=-1), **kw
        ),
    }[law](observed=observed)


def refusal(error: Exception) -> str | None:
    """Return the first words of an error that is meant for the user; None for any other."""
    clear = isinstance(error, ValueError | TypeError) and " must " in str(error)
    clear |= isinstance(error, bnn.NonFiniteError)
    return f"{type(error).__name__}: {str(error).splitlines()[0][:90]}" if clear else None


def unfitted(model: pm.Model, batch_size: Any, dtype: str) -> Approximation:
    """Return what `fit` returns, before its first step: nothing is compiled."""
    problem, source = prepare(model, DataOptions(batch_size=batch_size, dtype=dtype))
    with precision(dtype):
        program = VI(optimizer=optax.sgd(0.0)).compile(problem, Plan(source.batches, steps=1))
        state = on_host(program.init(0))
    return Approximation(problem, program, state, Record(Metrics.join([])))


def check(spec: Spec, steps: int = 3, elbo: bool = True, draws: int = DRAWS) -> str:
    """Fit a model for a few steps and compare all numbers; return "right" or why it was refused.

    The likelihood and potentials at the guide's own draws are those of ``compile_logp``, draw by
    draw; the KL is the Monte Carlo mean of log q − log p, and `elbo()` that of the whole, within
    6 standard errors. A wrong number raises AssertionError.
    """
    try:
        model, batch_size = spec.model(), spec.choices["batch_size"]
        dtype: Any = spec.choices["dtype"]
        if steps:
            settings: dict[str, Any] = {"estimator": "pathwise", "dtype": dtype, "random_seed": 0}
            settings |= {"batch_size": batch_size, "progressbar": False}
            fitted = bnn.fit(model, steps=steps, **settings)
        else:
            fitted = unfitted(model, batch_size, dtype)
    except Exception as error:
        reason = refusal(error)
        if reason is None:
            raise
        return reason
    terms, parts, guide = fitted.problem.terms, fitted.program.elbo, fitted.posterior.guide
    precise = fitted.problem.dtype
    rows, data = terms.n_rows or 1, terms.arrays()
    unused = [n for n in guide.noise if n not in parts.noise]  # of variables in closed forms

    def one(key: jax.Array) -> Any:
        noise = parts.draw_noise(key, rows)
        noise |= draw_noise(jax.random.fold_in(key, 1), unused, 0, precise)
        found = parts(fitted.params, noise, data)
        row = 0.0 if found.row is None else found.row
        drawn = guide.draw(fitted.params, {n.name: noise[n.name] for n in guide.noise})
        return row, found.rest + found.potential, found.kl, drawn

    index = np.arange(rows)[::-2]
    batch = {d.name: d.value[index] if d.per_example else d.value for d in terms.data}

    def everything(keys: jax.Array) -> Any:
        noise = parts.draw_noise(keys[0], rows)
        return jax.vmap(one)(keys), parts(fitted.params, noise, batch)

    with precision(precise):
        keys = jax.random.split(jax.random.key(1), draws)
        (row, rest, kl, drawn), some = jax.device_get(jax.jit(everything)(keys))
    if terms.n_rows:  # a batch of rows is those rows of the whole
        np.testing.assert_allclose(some.row, row[0][index], rtol=1e-3, atol=1e-3)
        some_rest = some.rest + some.potential  # and all else does not see the batch
        np.testing.assert_allclose(some_rest, rest[0], rtol=1e-3, atol=1e-3)
    ours = np.asarray(row, float).reshape(draws, -1).sum(1) + np.asarray(rest, float)

    model = spec.model(floats=True)
    likelihood = model.logp(vars=[*model.observed_RVs, *model.potentials])
    prior = model.logp(vars=model.free_RVs)
    function = pm.compile(
        model.value_vars, [likelihood, prior], mode=UNOPTIMISED, on_unused_input="ignore"
    )
    names = {f.value.name: f.name for f in terms.free}
    order = [names[v.name] for v in model.value_vars]
    with np.errstate(all="ignore"):
        points = [[np.asarray(drawn[name][i], float) for name in order] for i in range(draws)]
        theirs, log_p = np.array([function(*point) for point in points], float).T
    guide = {n: (p["loc"], np.exp(p["log_scale"])) for n, p in fitted.params.items()}
    log_q = sum(
        stats.norm.logpdf(np.asarray(drawn[n], float), *guide[n]).reshape(draws, -1).sum(1)
        for n in order
    )
    size = 1 + np.abs(theirs) + np.abs(np.asarray(row, float)).reshape(draws, -1).sum(1)
    wrong = np.abs(ours - theirs) > (3e-5 if precise == "float32" else 1e-6) * size
    at = int(np.argmax(np.abs(ours - theirs)))
    assert not wrong.any(), f"log-likelihood {ours[at]:.8g}, PyMC's {theirs[at]:.8g}"
    _agree("KL", kl.sum(1), log_q - log_p)
    if not elbo:
        return "right"
    found = fitted.elbo(10, random_seed=2)
    se = np.hypot(found["elbo_se"], np.std(theirs + log_p - log_q) / draws**0.5)
    expected = np.mean(theirs + log_p - log_q)
    gap = abs(found["elbo"] - expected)
    assert gap <= 8 * se + 1e-4 * (1 + size.mean()), (
        f"ELBO {found['elbo']:.8g}, exact {expected:.8g}"
    )
    return "right"


def _agree(what: str, ours: np.ndarray, theirs: np.ndarray) -> None:
    gap, se = abs(np.mean(ours) - np.mean(theirs)), np.std(theirs - ours) / len(ours) ** 0.5
    limit = 6 * se + 1e-4 * (1 + np.abs(theirs).mean())
    assert gap <= limit, f"{what} {np.mean(ours):.8g}, PyMC's {np.mean(theirs):.8g} ± {se:.2g}"
