"""Every public function of PyMC that takes a model, on a model with a Bayesian network."""

import contextlib
import copy
import importlib
import inspect
import pkgutil
import warnings

import arviz as az
import cloudpickle
import numpy as np
import pymc as pm
import pytensor
import pytest
from pymc.distributions import transforms
from pymc.initial_point import make_initial_point_fn, make_initial_point_fns_per_chain
from pymc.model import transform
from pymc.model.fgraph import clone_model, fgraph_from_model
from pymc.model.transform.deterministic import insert_deterministics
from pymc.model.transform_values import constrain_values, unconstrain_values
from pymc.printing import model_table, str_for_model
from pymc.stats.convergence import run_convergence_checks
from pymc.stats.log_density import compute_log_prior
from pymc.tuning.scaling import find_hessian_diag, guess_scaling
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn import networks
from pymc_bnn.graphs.interpreted import without_c
from pymc_bnn.priors import HalfNormal, Normal

pytestmark = [
    pytest.mark.filterwarnings("ignore:.find_MAP. will:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.return_inferencedata=False. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Passing .log_likelihood. via:FutureWarning"),
    pytest.mark.filterwarnings("ignore:PyTensor could not link to a BLAS:UserWarning"),
    pytest.mark.filterwarnings("ignore:The RandomType SharedVariables:UserWarning"),
    pytest.mark.filterwarnings("ignore:Only .* samples per chain:UserWarning"),
]
QUIET = {"progressbar": False}
N, DRAWS = 12, 30


def make_model(hidden=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, 2))
    with pm.Model(coords={"row": range(N), "feature": ["a", "b"]}) as model:
        data = pm.Data("x", x, dims=("row", "feature"))
        prior = {"*_W": Normal(sigma=HalfNormal(1.0, per="layer")), "*": Normal(0.0, 1.0)}
        mu = bnn.bayesian(networks.mlp((2, hidden, 1)), data, prior)[:, 0]
        pm.Deterministic("mu", mu, dims="row")
        pm.Normal("y", mu, 0.5, observed=np.sin(x[:, 0]), dims="row")
    return model


@pytest.fixture(autouse=True)
def _interpreted():
    """Interpret functions instead of compiling them, which takes most of the time."""
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        yield


@pytest.fixture
def model():
    return make_model()


@pytest.fixture(scope="module")
def idata():
    """Draws of the model that `model` makes anew for each test, without its deterministics."""
    fitted = bnn.fit(make_model(), steps=20, random_seed=1, **QUIET)
    draws = fitted.sample(DRAWS, random_seed=2)
    draws["posterior"] = draws.posterior.dataset.astype(float).drop_vars("mu", errors="ignore")
    return draws


def mu_of(model, idata):
    """The network's outputs by NumPy."""
    x, p = model["x"].get_value(), {k: v.values[0] for k, v in idata.posterior.items()}
    hidden = np.tanh(x @ p["dense1_W"] + p["dense1_b"][:, None])
    return (hidden @ p["dense2_W"] + p["dense2_b"][:, None])[None, ..., 0]


def trace(model):
    """PyMC's own kind of trace, of two chains of two draws."""
    with model:
        return pm.sample(
            2, tune=2, chains=2, cores=1, step=pm.Metropolis(), random_seed=1,
            return_inferencedata=False, compute_convergence_checks=False, **QUIET,
        )  # fmt: skip


def sampled(model, step=None, **kwargs):
    idata = pm.sample(
        DRAWS, tune=3, chains=2, cores=1, model=model, step=step, random_seed=1,
        compute_convergence_checks=False, **QUIET, **kwargs,
    )  # fmt: skip
    assert np.isfinite(idata.posterior["dense1_W"]).all()
    return idata


def by(kind):
    """Sample by a step method."""

    def call(model, idata):
        with model:
            sampled(model, kind(model=model))

    return call


def same_start(other, model):
    """Check that what is left of a model starts where it did."""
    mine, theirs = model.initial_point(), other.initial_point()
    for name in theirs:
        assert np.array_equal(mine[name], theirs[name]), name
    assert len(np.unique(theirs["dense2_W"])) == 3
    assert all(value is None for value in other.rvs_to_initial_values.values())


def check_log_likelihood(model, idata):
    found = pm.compute_log_likelihood(idata, model=model, extend_inferencedata=False, **QUIET)
    y = model.rvs_to_values[model["y"]].data
    expected = stats.norm(mu_of(model, idata), 0.5).logpdf(y)
    assert found["y"].values == pytest.approx(expected, abs=1e-4)


def check_log_prior(model, idata):
    found = compute_log_prior(idata, model=model, extend_inferencedata=False, **QUIET)
    w, sigma = (idata.posterior[name].values for name in ("dense1_W", "dense1_sigma"))
    expected = stats.norm(0, sigma[..., None, None]).logpdf(w)
    assert found["dense1_W"].values == pytest.approx(expected, abs=1e-4)


def check_do(model, idata):
    frozen = pm.do(model, {"dense1_W": np.ones((2, 3))})
    assert "dense1_W" not in [v.name for v in frozen.free_RVs]
    same_start(frozen, model)


def check_observe(model, idata):
    seen = pm.observe(model, {"dense1_b": np.ones(3)})
    assert "dense1_b" in [v.name for v in seen.observed_RVs]
    same_start(seen, model)


def check_prior_predictive(model, idata):
    drawn = pm.sample_prior_predictive(50, model=model, random_seed=1).prior["dense1_W"].values
    assert len(np.unique(drawn)) == drawn.size  # draws of the prior, not the start values


def check_map(model, idata):
    logp = model.compile_logp()
    found = pm.find_MAP(model=model, **QUIET)
    assert logp({v.name: found[v.name] for v in model.value_vars}) > logp(model.initial_point())


def check_set_data(model, idata):
    other = make_model()
    pm.set_data({"x": np.zeros((4, 2))}, other, coords={"row": range(4)})
    drawn = pm.sample_posterior_predictive(
        idata, model=other, var_names=["mu"], predictions=True, random_seed=1, **QUIET
    )
    assert drawn.predictions["mu"].shape == (1, DRAWS, 4)


def check_predictions(model, idata):
    drawn = pm.sample_posterior_predictive(
        idata, model=model, return_inferencedata=False, random_seed=1, **QUIET
    )
    assert "y" in pm.predictions_to_inference_data(drawn, model=model)["predictions"]


def check_inference_data(model, idata):
    found = pm.to_inference_data(trace(model), model=model, log_likelihood=True, log_prior=True)
    assert found.log_likelihood["y"].shape == (2, 2, N)


def check_deterministics(model, idata):
    found = pm.compute_deterministics(idata, group="posterior", model=model, **QUIET)
    assert found["mu"].values == pytest.approx(mu_of(model, idata), abs=1e-4)


def check_graphviz(model, idata):
    pytest.importorskip("graphviz")
    assert "Normal" in str(pm.model_to_graphviz(model))


def check_table(model, idata):
    cells = [str(cell) for column in model_table(model).columns for cell in column.cells]
    assert any("dense1_W" in cell for cell in cells)
    assert any("dense1_in[2] × dense1_out[3]" in cell for cell in cells)
    assert any("Parameter count = 15" in cell for cell in cells)  # and a scale for each layer


def check_networkx(model, idata):
    pytest.importorskip("networkx")
    assert "dense1_W" in pm.model_to_networkx(model)


def check_mermaid(model, idata):
    assert "dense1_W ~ Normal" in pm.model_to_mermaid(model).replace("<br>", " ").replace("\n", " ")


def check_svgd(model, idata):
    with model, without_c():
        approx = pm.SVGD(n_particles=5, model=model, random_seed=1).fit(2, **QUIET)
    assert np.isfinite(approx.std.eval()).all()


def check_initial_points(model, idata):
    [point] = make_initial_point_fns_per_chain(
        model=model, overrides=None, jitter_rvs=set(), chains=1
    )
    assert np.array_equal(point(1)["dense1_W"], make_initial_point_fn(model=model)(2)["dense1_W"])


def check_nuts(model, idata):
    [point], _ = pm.init_nuts(init="adapt_diag", model=model, random_seed=1, **QUIET)
    for name, value in model.initial_point().items():
        assert np.array_equal(point[name], value), name


def check_deterministics_apart(model, idata):
    without, apart = transform.extract_deterministics(model)
    same_start(without, model)
    same_start(insert_deterministics(without, apart), model)


def check_removed_transforms(model, idata):
    other = transform.remove_value_transforms(model)
    start, log_start = other.initial_point(), model.initial_point()
    assert np.log(start["dense1_sigma"]) == pytest.approx(log_start["dense1_sigma_log__"])


def check_values(model, idata):
    free = unconstrain_values(idata.posterior.dataset, model=model)
    back = constrain_values(free, model=model)
    for name in ("dense1_W", "dense1_sigma"):
        assert back[name].values == pytest.approx(idata.posterior[name].values, rel=1e-4)


def added(create):
    """Add a variable to a model, and copy that."""

    def call(model, idata):
        other = make_model()
        with other:
            name = create(other).name
        assert other.copy()[name] is not None

    return call


def copied(function):
    """Compare a copy's start and log-density there."""

    def call(model, idata):
        other, point = function(model), model.initial_point()
        same_start(other, model)
        assert other.compile_logp()(point) == pytest.approx(model.compile_logp()(point))

    return call


NOT_OURS = None  # of discrete variables, of populations, of PyMC's classes among themselves
CALLS = {
    "BinaryGibbsMetropolis": NOT_OURS,
    "BinaryMetropolis": NOT_OURS,
    "CategoricalGibbsMetropolis": NOT_OURS,
    "DEMetropolis": NOT_OURS,
    "ModelGraph": NOT_OURS,
    "ValueGradFunction": NOT_OURS,
    "DEMetropolisZ": by(pm.DEMetropolisZ),
    "Data": added(lambda m: pm.Data("z", np.ones(3), model=m)),
    "Deterministic": added(lambda m: pm.Deterministic("z", m["dense1_W"] + 1, m)),
    "Metropolis": by(pm.Metropolis),
    "Potential": added(lambda m: pm.Potential("z", m["dense1_W"].sum(), m)),
    "SVGD": check_svgd,
    "Slice": by(pm.Slice),
    "change_value_transforms": copied(
        lambda m: transform.change_value_transforms(m, {"dense1_sigma": transforms.log})
    ),
    "clone_model": copied(clone_model),
    "compile_fn": lambda m, _: pm.compile_fn(m["dense1_W"], inputs=[], model=m)({}),
    "compile_forward_sampling_function": lambda m, _: pm.compile_forward_sampling_function(
        [m["mu"]], vars_in_trace=[m["dense1_W"]], basic_rvs=m.basic_RVs, model=m
    ),
    "compute_deterministics": check_deterministics,
    "compute_log_density": NOT_OURS,
    "compute_log_likelihood": check_log_likelihood,
    "compute_log_prior": check_log_prior,
    "constrain_values": check_values,
    "convert_str_to_rv_dict": NOT_OURS,
    "do": check_do,
    "extract_deterministics": check_deterministics_apart,
    "fgraph_from_model": lambda m, _: fgraph_from_model(m),
    "find_MAP": check_map,
    "find_hessian": lambda m, _: pm.find_hessian(m.initial_point(), [m["dense2_b"]], m, False),
    "find_hessian_diag": lambda m, _: find_hessian_diag(
        m.initial_point(), [m.rvs_to_values[m["dense2_b"]]], m, False
    ),
    "fit": lambda m, _: pm.fit(20, model=m, random_seed=1, **QUIET),
    "fixed_hessian": NOT_OURS,
    "freeze_dims_and_data": copied(lambda m: transform.freeze_dims_and_data(m)),
    "freeze_model": copied(lambda m: transform.freeze_model(m)),
    "get_node_type": NOT_OURS,
    "guess_scaling": lambda m, _: guess_scaling(
        m.initial_point(), [m.rvs_to_values[m["dense2_b"]]], m
    ),
    "init_nuts": check_nuts,
    "insert_deterministics": check_deterministics_apart,
    "make_initial_point_fn": check_initial_points,
    "make_initial_point_fns_per_chain": check_initial_points,
    "model_table": check_table,
    "model_to_graphviz": check_graphviz,
    "model_to_mermaid": check_mermaid,
    "model_to_networkx": check_networkx,
    "modelcontext": lambda m, _: pm.modelcontext(m),
    "observe": check_observe,
    "parse_vars": NOT_OURS,
    "predictions_to_inference_data": check_predictions,
    "prune_vars_detached_from_observed": copied(
        lambda m: transform.prune_vars_detached_from_observed(m)
    ),
    "remove_minibatched_nodes": copied(lambda m: transform.remove_minibatched_nodes(m)),
    "remove_value_transforms": check_removed_transforms,
    "run_convergence_checks": lambda m, i: run_convergence_checks(i, m),
    "sample": lambda m, _: sampled(m, idata_kwargs={"log_likelihood": True}).log_likelihood["y"],
    "sample_posterior_predictive": lambda m, i: pm.sample_posterior_predictive(
        i, model=m, random_seed=1, **QUIET
    ),
    "sample_prior_predictive": check_prior_predictive,
    "sample_smc": lambda m, _: pm.sample_smc(
        10, chains=1, cores=1, model=m, random_seed=1, **QUIET
    ),
    "set_data": check_set_data,
    "str_for_model": lambda m, _: "dense1_W ~ Normal" in str_for_model(m) or pytest.fail(str(m)),
    "to_inference_data": check_inference_data,
    "trace_cov": NOT_OURS,
    "unconstrain_values": check_values,
}


def takes_a_model():
    """Names of public functions and classes with an argument `model`."""
    modules = [pm]
    for room in ROOMS:
        modules.append(importlib.import_module(f"pymc.{room}"))
        paths = getattr(modules[-1], "__path__", [])
        inner = pkgutil.walk_packages(paths, f"pymc.{room}.")
        modules += [importlib.import_module(info.name) for info in inner]
    names = {module.__name__ for module in modules}
    found = set()
    for name, value in (item for module in modules for item in vars(module).items()):
        home = getattr(value, "__module__", "")
        if name.startswith("_") or not callable(value) or not home.startswith("pymc"):
            continue
        if name in vars(pm) or home in names:
            with contextlib.suppress(ValueError):
                if "model" in inspect.signature(value).parameters:
                    found.add(name)
    return found


ROOMS = ("model", "model_graph", "printing", "initial_point", "stats", "tuning")


SLOW = {"find_hessian", "Slice"}


def test_every_function_of_pymc_that_takes_a_model_is_known():
    found = takes_a_model()
    assert not found - set(CALLS), "write what to call of these"
    assert not set(CALLS) - found, "these are no more"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long) if name in SLOW else name
        for name, call in CALLS.items()
        if call is not NOT_OURS
    ],
)
def test_function(name, model, idata):
    CALLS[name](model, idata)


def test_leave_one_out_and_comparison(idata):
    model = copy.deepcopy(make_model())
    same_start(model, make_model())
    fitted = idata.copy()
    by_steps = sampled(model, pm.Metropolis(model=model))
    for draws in (fitted, by_steps):
        pm.compute_log_likelihood(draws, model=model, **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few draws
        assert np.isfinite(az.loo(fitted).elpd)
        assert set(az.compare({"fit": fitted, "steps": by_steps}).index) == {"fit", "steps"}


def test_fits_of_copies_are_those_of_the_model():
    model = make_model()
    elbo = bnn.fit(model, steps=20, random_seed=1, **QUIET).elbo()
    twins = {"pickle": cloudpickle.loads(cloudpickle.dumps(model)), "copy": model.copy()}
    for name, twin in twins.items():
        same_start(twin, model)
        found = bnn.fit(twin, steps=20, random_seed=1, **QUIET).elbo()
        # PyMC's copies have their variables in another order, and so other noise.
        within = 1e-4 if name == "pickle" else 4 * elbo["elbo_se"]
        assert found["elbo"] == pytest.approx(elbo["elbo"], abs=within)
