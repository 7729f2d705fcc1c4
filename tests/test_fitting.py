"""Fits agree with closed forms and with pm.sample; they repeat, stop and refuse as promised."""

import os
import signal
import threading
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pymc as pm
import pytensor.tensor as pt
import pytest
import scipy.stats as st

import pymc_bnn as bnn
from pymc_bnn import fitting
from pymc_bnn.callbacks import EarlyStopping, HeldOut, Snapshots
from pymc_bnn.data.padding import fill
from pymc_bnn.elbo import assemble
from pymc_bnn.inference import loop, run
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.state import copy_state
from pymc_bnn.inference.vi import VI
from pymc_bnn.model.decompose import decompose
from pymc_bnn.runtime.precision import precision
from tests.support.parts import posterior_of

RNG = np.random.default_rng(3)
N, SIGMA, TAU = 200, 0.7, 1.5
X = RNG.normal(size=(N, 3)) @ np.array([[1.0, 0.6, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
Y = X @ [1.0, -2.0, 0.5] + SIGMA * RNG.normal(size=N)
PRECISION = X.T @ X / SIGMA**2 + np.eye(3) / TAU**2
POSTERIOR_MEAN = np.linalg.solve(PRECISION, X.T @ Y) / SIGMA**2
BEST_SCALE = 1 / np.sqrt(np.diag(PRECISION))
QUIET = {"random_seed": 1, "progressbar": False}


def conjugate(minibatch=False):
    with pm.Model() as model:
        w = pm.Normal("w", 0, TAU, shape=3)
        if minibatch:
            x, y = pm.Minibatch(X, Y, batch_size=50)
            pm.Normal("y", x @ w, SIGMA, observed=y, total_size=N)
        else:
            pm.Normal("y", pm.Data("x", X) @ w, SIGMA, observed=Y)
    return model


def closed_form_elbo(loc, scale):
    nll = -st.norm.logpdf(Y, X @ loc, SIGMA).sum() + (X**2 @ scale**2).sum() / (2 * SIGMA**2)
    kl = np.sum(np.log(TAU / scale) + (scale**2 + loc**2) / (2 * TAU**2) - 0.5)
    return -nll - kl, nll, kl


@pytest.mark.parametrize("batch_size", [None, 50, "pm.Minibatch"])
def test_conjugate_posterior(batch_size):
    minibatch = batch_size == "pm.Minibatch"
    fitted = bnn.fit(
        conjugate(minibatch), steps=6000, batch_size=50 if minibatch else batch_size, **QUIET
    )
    # Adam's noise at the end of the cosine is far below a posterior scale.
    np.testing.assert_allclose(fitted.mean["w"], POSTERIOR_MEAN, atol=0.15 * BEST_SCALE.min())
    np.testing.assert_allclose(fitted.std["w"], BEST_SCALE, rtol=0.05)
    elbo, _, kl = closed_form_elbo(fitted.mean["w"].values, fitted.std["w"].values)
    estimate = fitted.elbo(200)
    assert abs(estimate["elbo"] - elbo) < 4 * estimate["elbo_se"]
    np.testing.assert_allclose(estimate["kl"], kl, rtol=1e-4)
    best = closed_form_elbo(POSTERIOR_MEAN, BEST_SCALE)[0]
    assert best - elbo < 0.02


def test_elbo_parts_at_fixed_parameters():
    terms = decompose(conjugate())
    loc, scale = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, 0.3])
    _, nll, kl = closed_form_elbo(loc, scale)
    with precision("float64"):
        elbo = assemble(terms, posterior_of(terms), "float64")
        params = {"w": {"loc": loc, "log_scale": np.log(scale)}}
        noise = RNG.standard_normal((20_000, 3))
        draws = jax.vmap(lambda e: elbo(params, {"w": e}, terms.arrays())[1])(noise)
        divergence = elbo(params, {"w": noise[0]}, terms.arrays())[2]
    np.testing.assert_allclose(divergence, [kl], rtol=1e-7)
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(-np.mean(draws) - nll) < 4 * error


def test_sampled_scale_enters_the_kl():
    with pm.Model() as model:
        w = pm.Normal("w", 0.2, pm.HalfNormal("s", 1.0), shape=4)
        pm.Normal("y", w.sum(), 1, observed=Y)
    terms = decompose(model)
    loc, scale, log_s = np.array([0.1, 0.2, -1.0, 3.0]), np.array([0.5, 1.0, 2.0, 0.1]), -0.4
    params = {
        "s": {"loc": np.array(log_s), "log_scale": np.array(-np.inf)},
        "w": {"loc": loc, "log_scale": np.log(scale)},
    }
    with precision("float64"):
        elbo = assemble(terms, posterior_of(terms), "float64")
        noise = {"s": np.array(0.0), "w": np.zeros(4)}
        kl = dict(zip(elbo.names, elbo(params, noise, terms.arrays())[2], strict=True))
    s = np.exp(log_s)
    expected = np.log(s / scale) + (scale**2 + (loc - 0.2) ** 2) / (2 * s**2) - 0.5
    np.testing.assert_allclose(kl["w"], expected.sum(), rtol=1e-7)


@pytest.mark.parametrize("batch_size", [7, 50, 64, 199])
def test_minibatch_likelihoods_of_an_epoch_add_up(batch_size):
    options = DataOptions(batch_size=batch_size, dtype="float64")
    problem, source = prepare(conjugate(), options)
    batches = source.batches
    loc, scale = np.array([0.5, -1.0, 2.0]), np.array([0.1, 0.2, 0.3])
    eps = np.array([1.0, -0.5, 0.3])
    with precision("float64"):
        method = VI(estimator="pathwise", optimizer=optax.sgd(0.0))
        program = method.compile(problem, Plan(batches, steps=100))
        program = replace(program, rows=program.rows | {"row_number"})
        state = program.init(5, {"w": {"loc": loc, "log_scale": np.log(scale)}})
        total, seen = 0.0, []
        counts = program.counts
        numbers = fill(np.arange(N), len(source.data["x"]))
        data = {**source.data, "row_number": jnp.asarray(numbers)}
        for size in batches.sizes():
            batch, weights = program.batch(state, data, counts)
            row = program.elbo(state.params, {"w": eps}, batch)[0]
            weights = np.asarray(weights)
            np.testing.assert_allclose(weights[:size], N / size)
            assert (weights[size:] == 0).all()
            total += float((row * weights).sum() * size / N)
            seen.extend(np.asarray(batch["row_number"])[:size])
            state = program.step(state, data, counts)[0]
    assert sorted(seen) == list(range(N))
    w = loc + scale * eps
    np.testing.assert_allclose(total, st.norm.logpdf(Y, X @ w, SIGMA).sum(), rtol=1e-7)


def test_hierarchical_regression_agrees_with_nuts():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(6), 40)
    x = rng.normal(size=240)
    slopes = rng.normal(1.0, 0.5, size=6)
    y = slopes[group] * x + 0.5 * rng.normal(size=240)
    with pm.Model(coords={"group": list("abcdef")}) as model:
        mu = pm.Normal("mu", 0, 2)
        tau = pm.HalfNormal("tau", 1)
        slope = pm.Normal("slope", mu, tau, dims="group")
        noise = pm.LogNormal("noise", 0, 1)
        pm.Normal("y", slope[pm.Data("g", group)] * pm.Data("x", x), noise, observed=y)
        nuts = pm.sample(
            500, tune=500, chains=2, cores=1, random_seed=1, progressbar=False,
            compile_kwargs={"mode": "FAST_COMPILE"},
        ).posterior  # fmt: skip
    fitted = bnn.fit(model, steps=8000, batch_size=120, **QUIET)
    approx = fitted.sample(2000, random_seed=1).posterior
    assert approx["slope"].dims == ("chain", "draw", "group")
    assert list(approx["group"].values) == list("abcdef")
    for name in ("mu", "slope", "noise"):
        mean, sd = nuts[name].mean(("chain", "draw")), nuts[name].std(("chain", "draw"))
        gap = abs(approx[name].mean(("chain", "draw")) - mean) / sd
        assert float(gap.max()) < 0.35, (name, gap.values)
    # Mean-field scales are never wider, and here close, for what the data determine alone.
    ratio = approx["slope"].std(("chain", "draw")) / nuts["slope"].std(("chain", "draw"))
    assert float(ratio.min()) > 0.7
    assert float(ratio.max()) < 1.15
    np.testing.assert_allclose(fitted.mean["noise"], approx["noise"].mean(), rtol=0.01)
    np.testing.assert_allclose(fitted.std["noise"], approx["noise"].std(), rtol=0.1)


def test_same_seed_same_numbers_and_generators_too():
    def run(seed):
        return bnn.fit(
            conjugate(), steps=50, batch_size=50, random_seed=seed, progressbar=False
        ).params["w"]["loc"]

    assert (run(5) == run(5)).all()
    assert (run(np.random.default_rng(5)) == run(np.random.default_rng(5))).all()
    assert (run(5) != run(6)).any()


class Chunks:
    def __init__(self):
        self.steps = []

    def on_chunk(self, state, info):
        self.steps.append(info.step)
        assert len(info.elbo) == min(7, info.step - (self.steps[-2] if self.steps[1:] else 0))
        assert len(info.approximation().history) == info.step
        assert int(state.step) == info.step


def test_grouping_of_steps_does_not_change_the_numbers():
    whole = bnn.fit(conjugate(), steps=60, batch_size=50, **QUIET)
    chunks = Chunks()
    parts = bnn.fit(
        conjugate(), steps=60, batch_size=50, callbacks=[chunks], chunk_steps=7, **QUIET
    )
    assert chunks.steps == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert (whole.params["w"]["loc"] == parts.params["w"]["loc"]).all()
    assert (whole.params["w"]["log_scale"] == parts.params["w"]["log_scale"]).all()
    assert whole.history.equals(parts.history)


@pytest.mark.parametrize(("copying", "longest"), [(0.0, 0.3), (0.5, 10.0)])
def test_keeping_the_last_good_state_takes_a_twentieth_at_most(monkeypatch, copying, longest):
    clock, pieces = [0.0], []

    class Timed(Loop):
        def advance(self, state, steps, interrupted=None):
            clock[0] += 0.01 * steps
            pieces.append(steps)
            return super().advance(state, steps, interrupted)

    def copy(state):
        clock[0] += copying
        return copy_state(state)

    monkeypatch.setattr(run, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    monkeypatch.setattr(loop, "copy_state", copy)
    monkeypatch.setattr(fitting, "Loop", Timed)
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    fitted = bnn.fit(model, steps=4000, random_seed=1, progressbar=False)
    assert len(fitted.history) == sum(pieces) == 4000
    most = round(longest / 0.01)
    assert pieces[:4] == [1, 2, 4, 8]
    assert abs(max(pieces) - most) <= 1
    assert all(n >= most - 1 for n in pieces[10:-1])


def test_snapshots_are_the_fits_that_stop_there():
    chunks, snapshots = Chunks(), Snapshots([1, 9, 60, 99], {"x": X[:3]}, draws=4, var_names="w")
    options = {"steps": 60, "batch_size": 50, "optimizer": optax.adam(0.01), **QUIET}
    fitted = bnn.fit(conjugate(), callbacks=[chunks, snapshots], chunk_steps=7, **options)
    assert chunks.steps == [7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert list(snapshots.moments) == list(snapshots.predictions) == [1, 9, 60]
    assert fitted.history.equals(bnn.fit(conjugate(), **options).history)
    for step in (1, 9):
        stopped = bnn.fit(conjugate(), **options | {"steps": step})
        loc, scale = snapshots.moments[step]["w"]
        np.testing.assert_array_equal(loc, stopped.mean["w"])
        np.testing.assert_allclose(scale, stopped.std["w"], rtol=1e-6)
    assert snapshots.predictions[9]["y"].samples.shape == (4, 3)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([],), ValueError, "`steps` must hold at least one step, got none"),
        ((5,), TypeError, "`steps` must be a sequence of integers, got 5"),
        (([0],), ValueError, "`steps` must be an integer of at least 1, got 0"),
        (([1], [2]), TypeError, "`data` must map names to arrays, got a list"),
    ],
)
def test_bad_snapshots(arguments, error, match):
    with pytest.raises(error, match=match):
        Snapshots(*arguments)


@pytest.mark.parametrize("kind", [HeldOut, Snapshots])
def test_callbacks_predict_with_the_model_of_the_fit_at_hand(kind):
    def model(sigma):
        with pm.Model() as made:
            pm.Normal("y", pm.Normal("w"), sigma, observed=np.ones(20))
        return made

    data = {"y": np.ones(5)}

    def make():
        return HeldOut(data) if kind is HeldOut else Snapshots([30], data, var_names="w")

    def found(callback):
        if kind is HeldOut:
            return callback.history["nll"].iloc[-1]
        return callback.predictions[30].log_density.mean()

    used, fresh = make(), make()
    bnn.fit(model(0.1), steps=30, callbacks=[used], **QUIET)
    first = found(used)
    bnn.fit(model(10.0), steps=30, callbacks=[used], **QUIET)
    bnn.fit(model(10.0), steps=30, callbacks=[fresh], **QUIET)
    assert found(used) == pytest.approx(found(fresh), rel=1e-6)
    assert abs(found(used) - first) > 0.1


def test_snapshots_of_no_variable():
    with pytest.raises(ValueError, match=r"`var_names` must match a free variable, got .*choose"):
        bnn.fit(conjugate(), steps=3, callbacks=[Snapshots([1])], **QUIET)


def test_convolutions_are_stepped_from_python_on_cpu_and_dense_nets_are_not():
    from pytensor_ml.layers import Conv1D

    def loop_of(network):
        with pm.Model() as model:
            from pymc_bnn.bayesian_network import bayesian

            out = bayesian(network, X[:, :, None])
            pm.Normal("y", out.sum(axis=(1, 2)), 1, observed=Y)
        problem, source = prepare(model, DataOptions(batch_size=None))
        program = VI().compile(problem, Plan(source.batches, steps=10))
        return Loop(program, source, program.init(0))

    conv = Conv1D("c", in_channels=1, out_channels=2, kernel_size=2)
    from pytensor_ml.layers import Linear

    if jax.default_backend() == "cpu":
        assert loop_of(conv).from_python
    assert not loop_of(Linear("d", n_in=1, n_out=2)).from_python


def test_history_reports_the_unweighted_elbo():
    fitted = bnn.fit(conjugate(), steps=300, kl_weight=0.1, **QUIET)
    history = fitted.history
    np.testing.assert_allclose(history["elbo"], -history["nll"] - history["kl"])
    assert fitted.kl_weight == 0.1
    loc, scale = fitted.mean["w"].values, fitted.std["w"].values
    np.testing.assert_allclose(history["kl"].iloc[-1], closed_form_elbo(loc, scale)[2], rtol=0.02)


def test_cold_posterior_has_smaller_scales():
    # With weight w the optimum has precision XᵀX/(w σ²) + 1/τ².
    fitted = bnn.fit(conjugate(), steps=6000, kl_weight=0.25, **QUIET)
    cold = 1 / np.sqrt(np.diag(X.T @ X) / SIGMA**2 / 0.25 + 1 / TAU**2)
    np.testing.assert_allclose(fitted.std["w"], cold, rtol=0.05)


def test_user_never_sets_floatx_and_may_ask_for_float64():
    assert bnn.fit(conjugate(), steps=5, **QUIET).params["w"]["loc"].dtype == np.float32
    fitted = bnn.fit(conjugate(), steps=5, dtype="float64", **QUIET)
    assert fitted.params["w"]["loc"].dtype == np.float64


def test_custom_optimizer():
    fitted = bnn.fit(conjugate(), steps=2000, optimizer=optax.sgd(0.05), **QUIET)
    np.testing.assert_allclose(fitted.mean["w"], POSTERIOR_MEAN, atol=0.05)


def test_early_stopping_and_held_out():
    stop = EarlyStopping(window=100, patience=3)
    held_out = HeldOut({"x": X[:50], "y": Y[:50]}, every=2, draws=5)
    fitted = bnn.fit(
        conjugate(), steps=20_000, batch_size=100, learning_rate=0.05,
        callbacks=[stop, held_out], chunk_steps=200, **QUIET,
    )  # fmt: skip
    assert 500 < len(fitted.history) < 20_000
    nll = held_out.history["nll"]
    assert held_out.history["step"].iloc[0] == 400
    assert nll.iloc[-1] < 1.3
    loc = fitted.mean["w"].values
    direct = -st.norm.logpdf(Y[:50], X[:50] @ loc, SIGMA).mean()
    assert abs(nll.iloc[-1] - direct) < 0.05


def test_ctrl_c_returns_what_was_learned():
    class Interrupt:
        def on_chunk(self, state, info):
            if info.step == 300:
                os.kill(os.getpid(), signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    # A shell's background jobs, which tests may run in, ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        fitted = bnn.fit(
            conjugate(), steps=10_000, callbacks=[Interrupt()], chunk_steps=100, **QUIET
        )
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert 300 <= len(fitted.history) < 10_000


def test_a_failing_callback_loses_nothing():
    class Broken:
        def on_chunk(self, state, info):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full") as caught:
        bnn.fit(conjugate(), steps=50, callbacks=[Broken()], chunk_steps=20, **QUIET)
    assert len(caught.value.approximation.history) == 20


def test_nan_stops_and_keeps_the_last_finite_state():
    with pm.Model() as model:
        a = pm.Normal("a", 0, 1)
        b = pm.Normal("b", 0, 1)
        # log of a turns to NaN once gradient steps have carried a below zero.
        pm.Normal("y", pt.log(a + 0.5) + b, 1, observed=np.full(20, -50.0))
    with pytest.raises(bnn.NonFiniteError, match=r"stopped at step \d+: .*'a'") as caught:
        bnn.fit(
            model,
            steps=5000,
            learning_rate=0.01,
            guide=bnn.guides.MeanField(init_scale=0.01),
            **QUIET,
        )
    message = str(caught.value)
    assert "learning_rate" in message
    assert len(message.splitlines()) <= 4
    kept = caught.value.approximation
    assert len(kept.history) > 5
    assert np.isfinite(kept.history.to_numpy()).all()
    assert all(np.isfinite(v).all() for p in kept.params.values() for v in p.values())


BAD_ARGUMENTS = [
    ({}, "`steps` must be given"),
    ({"steps": 5, "epochs": 5}, "`steps` must be given"),
    ({"steps": -1}, "`steps` must be an integer of at least 1, got -1"),
    ({"steps": 2.5}, "`steps` must be an integer"),
    ({"steps": 5, "batch_size": 0}, "`batch_size` must be an integer in 1…200, got 0"),
    ({"steps": 5, "batch_size": 201}, "`batch_size` must be an integer in 1…200, got 201"),
    ({"steps": 5, "batch_size": "all"}, '`batch_size` must be an integer, "auto" or None'),
    ({"steps": 5, "kl_weight": 0.0}, "`kl_weight` must be a finite number above 0"),
    ({"steps": 5, "learning_rate": float("nan")}, "`learning_rate` must be a finite number"),
    ({"steps": 5, "dtype": "float16"}, "`dtype` must be"),
    ({"steps": 5, "random_seed": "one"}, "`random_seed` must be an integer"),
    ({"steps": 5, "optimizer": optax.adam(0.1), "learning_rate": 0.1}, "`optimizer` must come"),
    ({"steps": 5, "optimizer": "adam"}, "`optimizer` must be an optax.GradientTransformation"),
    ({"steps": 5, "rows": 3}, "`rows` must be a name or names"),
    ({"steps": 5, "rows": "nonsense", "batch_size": None}, "`rows` must name a dimension"),
    ({"steps": 5, "callbacks": [print]}, "`callbacks` must have a method on_chunk"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_bad_arguments(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bnn.fit(conjugate(), progressbar=False, **arguments)


def test_labels_outside_the_classes():
    with pm.Model() as model:
        w = pm.Normal("w", shape=(3, 4))
        pm.Categorical("label", logit_p=pm.Data("x", X) @ w, observed=np.arange(N) % 5)
    with pytest.raises(ValueError, match=r"`label` must be labels in 0…3.*got labels in 0…4"):
        bnn.fit(model, steps=5, progressbar=False)


def test_x_and_y_of_different_length():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:150]) @ pm.Normal("w", shape=3), 1, observed=Y)
    with pytest.raises(ValueError, match=r"150.*200|200.*150"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)
    with pytest.raises(ValueError, match=r"150.*200|200.*150"):
        bnn.fit(model, steps=5, batch_size=None, progressbar=False)


def test_a_group_table_with_as_many_rows_as_examples_is_no_data_of_theirs():
    table, group = RNG.normal(size=N), RNG.integers(N, size=N)
    with pm.Model() as model:
        b = pm.Normal("b")
        pm.Normal("y", b * pm.Data("table", table)[pm.Data("group", group)], 1, observed=Y)
    by_itself = bnn.fit(model, steps=500, batch_size=50, **QUIET)
    named = bnn.fit(model, steps=500, batch_size=50, rows=["group", "y"], **QUIET)
    np.testing.assert_array_equal(by_itself.history["elbo"], named.history["elbo"])
    assert [d.name for d in named.problem.terms.data if not d.per_example] == ["table"]


def test_frozen_weights_with_as_many_rows_as_examples():
    x, w = RNG.normal(size=(N, N)), RNG.normal(size=(N, 3))
    with pm.Model() as model:
        hidden = pm.math.tanh(pm.Data("x", x) @ pm.Data("w", w))
        pm.Normal("y", hidden @ pm.Normal("v", shape=3), 1, observed=Y)
    fitted = bnn.fit(model, steps=5, batch_size=50, **QUIET)
    assert [d.name for d in fitted.problem.terms.data if not d.per_example] == ["w"]


def test_layers_that_mix_examples_are_caught():
    with pm.Model() as model:
        x = pm.Data("x", X)
        pm.Normal("y", (x - x.mean(axis=0)) @ pm.Normal("w", shape=3), 1, observed=Y)
    with pytest.raises(ValueError, match=r"a row depends on other rows"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)


def test_an_effect_per_row_needs_all_rows():
    with pm.Model() as model:
        z = pm.Normal("z", shape=N)
        pm.Normal("y", z, 1, observed=Y)
    with pytest.raises(ValueError, match=r"batch_size=None"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)
    fitted = bnn.fit(model, steps=5000, batch_size=None, **QUIET)
    np.testing.assert_allclose(fitted.mean["z"], Y / 2, atol=0.1)
    np.testing.assert_allclose(fitted.std["z"], np.sqrt(0.5), rtol=0.1)
    np.testing.assert_allclose(fitted.std["z"].mean(), np.sqrt(0.5), rtol=0.01)


@pytest.mark.filterwarnings(
    "ignore:Data in y contains missing values:pymc.exceptions.ImputationWarning"
)
def test_missing_values_are_free_variables():
    with_gaps = np.where(np.arange(N) % 50 == 0, np.nan, Y)
    with pm.Model() as model:
        pm.Normal("y", pt.as_tensor(X) @ pm.Normal("w", 0, TAU, shape=3), SIGMA, observed=with_gaps)
    with pytest.raises(ValueError, match=r"missing values.*pass batch_size=None"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)
    fitted = bnn.fit(model, steps=4000, batch_size=None, **QUIET)
    missing = X[np.isnan(with_gaps)]
    w = fitted.mean["w"].values
    np.testing.assert_allclose(fitted.mean["y_unobserved"], missing @ w, atol=0.2)


def test_constants_may_be_infinite():
    bound = np.where(np.arange(N) % 2, 0.5, np.inf)
    with pm.Model() as model:
        mu = pt.minimum(pt.as_tensor(X) @ pm.Normal("w", shape=3), bound)
        pm.Normal("y", mu, 1, observed=Y)
    assert np.isfinite(bnn.fit(model, steps=50, batch_size=50, **QUIET).history["elbo"]).all()


def test_vectors_of_a_prior_are_not_taken_for_examples():
    with pm.Model() as model:
        w = pm.Normal("w", np.zeros(N), 1)
        pm.Normal("y", (pm.Data("x", X) @ w[:3]), 1, observed=Y)
    fitted = bnn.fit(model, steps=5, batch_size=50, **QUIET)
    assert fitted.params["w"]["loc"].shape == (N,)


def test_values_outside_the_support_are_named_as_a_cause():
    with pm.Model() as model:
        pm.Poisson("y", pm.math.exp(pm.Normal("b")), observed=np.full(20, -1))
    with pytest.raises(bnn.NonFiniteError, match="in the likelihood's support"):
        bnn.fit(model, steps=5, **QUIET)


def test_computed_reshapes_name_the_repair():
    with pm.Model() as model:
        x = pm.Data("x", np.ones((N, 2, 2)))
        logits = x.reshape((-1, 4)) @ pm.Normal("w", shape=(4, 4))
        pm.Categorical("y", logit_p=logits, observed=np.arange(N) % 4)
    with pytest.raises(NotImplementedError, match=r"write x\.reshape\(\(x\.shape\[0\], k\)\)"):
        bnn.fit(model, steps=5, batch_size=50, **QUIET)


@pytest.mark.parametrize("kind", ["conv1d", "attention", "hand-written", "array"])
def test_networks_of_other_layers_learn_in_minibatches(kind):
    from pytensor_ml import layers
    from pytensor_ml.params import trainable

    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    series = rng.normal(size=(120, 6, 3)) + labels[:, None, None] - 0.5
    head = layers.Linear("head", n_in=4, n_out=2)
    if kind == "conv1d":
        conv = layers.Conv1D("conv", in_channels=3, out_channels=4, kernel_size=3)
        norm = layers.LayerNorm("norm", n_in=4)

        def network(x):
            return head(pt.tanh(norm(conv(x))).mean(axis=1))
    elif kind == "attention":
        embed = layers.Linear("embed", n_in=3, n_out=4)
        attention = layers.MultiheadAttention("attention", n_embd=4, n_head=2)

        def network(x):
            return head(attention(embed(x)).mean(axis=1))
    else:
        w = trainable(np.zeros((3, 2)), "w")

        def network(x):
            return x.mean(axis=1) @ w

    with pm.Model() as model:
        x = series if kind == "array" else pm.Data("x", series)
        logits = bnn.bayesian(network, x)
        pm.Categorical("y", logit_p=logits, observed=labels, shape=logits.shape[0])
    fitted = bnn.fit(model, steps=500, batch_size=40, learning_rate=0.03, **QUIET)
    pred = fitted.predict({"x": series}, draws=50, random_seed=1)
    assert (pred.mean_probs.argmax(axis=1) == labels).mean() > 0.85


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"particles": 0}, ValueError, "`particles` must be an integer of at least 1, got 0"),
        ({"particles": None}, TypeError, "`particles` must be an integer"),
        ({"kl_weight": True}, ValueError, "`kl_weight` must be a finite number above 0, got True"),
        (
            {"kl_weight": lambda step: jnp.where(step == 5, -3.0, 1.0)},
            ValueError,
            "`kl_weight` must map steps .*got -3.0 at step 5",
        ),
        ({"kl_weight": lambda step: 0.0 * step}, ValueError, "`kl_weight` .*got 0.0 at step 299"),
        (
            {"kl_weight": lambda step: 1.0 if step > 3 else 0.5},
            ValueError,
            "`kl_weight` must map steps .*write it with jax.numpy",
        ),
        ({"callbacks": [EarlyStopping]}, TypeError, "`callbacks` .*pass an instance"),
        ({"start": 3.0}, TypeError, "`start` must be a dict of values"),
        ({"start": {"w": "a"}}, TypeError, r"`start\['w'\]` must hold numbers"),
        ({"start": {"w": np.zeros(4)}}, ValueError, r"shape \(3,\), got \(4,\)"),
        ({"guide": {"w": bnn.guides.Delta}}, TypeError, r"create one, as in Delta\(\)"),
        ({"guide": {"v*": bnn.guides.Delta()}}, ValueError, "`guide` .*match a free variable, w"),
        ({"estimator": "best"}, ValueError, "`estimator` must be one of"),
    ],
)
def test_bad_choices_get_one_clear_error(arguments, error, message):
    with pytest.raises(error, match=message):
        bnn.fit(conjugate(), steps=300, **QUIET, **arguments)


def test_a_fit_of_another_model_is_no_start():
    with pm.Model() as other:
        pm.Normal("z", pm.Normal("m"), 1, observed=np.zeros(5))
    fitted = bnn.fit(other, steps=2, **QUIET)
    with pytest.raises(ValueError, match="`start` must be a fit that shares free variables"):
        bnn.fit(conjugate(), steps=2, start=fitted, **QUIET)


def test_empty_data_are_refused():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:0]) @ pm.Normal("w", shape=3), 1, observed=Y[:0])
    with pytest.raises(ValueError, match=r"at least one observed value, got 'y' of shape \(0,\)"):
        bnn.fit(model, steps=2, **QUIET)


def test_dropout_is_random_in_training_and_kept_in_predictions_only_if_asked():
    network = bnn.networks.mlp((3, 20, 1), activation="tanh", dropout=0.5)
    with pm.Model() as model:
        out = bnn.bayesian(network, pm.Data("x", X))
        pm.Normal("y", out[:, 0], SIGMA, observed=Y)
    fitted = bnn.fit(model, epochs=20, batch_size=50, **QUIET)
    assert "objective" in fitted.history
    assert "not its ELBO" in fitted.history.attrs["note"]
    assert "elbo" in fitted.elbo(2)  # the model's own, without dropout
    points = bnn.fit(model, epochs=5, batch_size=50, guide=bnn.guides.Delta(), **QUIET)
    fixed = points.predict({"x": X[:9]}, draws=8, random_seed=0, var_names=())["y"]
    assert fixed.samples.shape == (8, 9)
    with pm.Model() as logistic:
        out = bnn.bayesian(network, pm.Data("x", X))
        pm.Bernoulli("y", logit_p=out[:, 0], observed=(Y > 0).astype(int))
    points = bnn.fit(logistic, epochs=5, batch_size=50, guide=bnn.guides.Delta(), **QUIET)
    still = points.predict({"x": X}, draws=8, random_seed=0).probs
    np.testing.assert_allclose(still.std(axis=0), 0, atol=1e-6)
    moving = points.predict({"x": X}, draws=8, mc_dropout=True, random_seed=0).probs
    assert moving.std(axis=0).mean() > 0.01
    again = points.predict({"x": X}, draws=8, mc_dropout=True, batch_size=33, random_seed=0).probs
    np.testing.assert_allclose(again, moving, atol=1e-5)
    with pytest.raises(ValueError, match="`mc_dropout` must be False"):
        bnn.fit(conjugate(), steps=2, **QUIET).predict(mc_dropout=True)


def test_history_says_when_it_is_no_elbo():
    fitted = bnn.fit(conjugate(), steps=50, guide=bnn.guides.Delta(), **QUIET)
    history = fitted.history
    assert list(history.columns) == ["epoch", "objective", "nll", "kl", "log_prior"]
    np.testing.assert_allclose(history["objective"], history["log_prior"] - history["nll"])
    assert (history["kl"] == 0).all()
    result = fitted.elbo(2)
    assert "elbo" not in result
    loc = fitted.params["w"]["loc"]
    np.testing.assert_allclose(result["log_prior"], st.norm.logpdf(loc, 0, TAU).sum(), rtol=1e-4)
    assert fitted.kl().isna().all()
    assert fitted.scale_ratio().isna().all()
