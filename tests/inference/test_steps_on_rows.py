"""Steps on free variables that belong to rows: gradients, rows left alone, where they end."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.data.gathering import ROWS
from pymc_bnn.inference.row_steps import first_state, step_on_rows
from pymc_bnn.runtime.precision import precision
from tests.support.batch_gradients import DTYPE, gradients, program_of
from tests.support.latent_parts import (
    MU,
    TAU,
    errors_in_variables,
    exact_elbo,
    exact_slope,
    mean_field_optimum,
    measured,
)


@pytest.fixture(scope="module")
def made():
    """A program of 24 rows in batches of 6, some data, a first state."""
    with errors_in_variables(*measured(24)) as model:
        u = pm.StudentT("u", nu=4, sigma=pm.HalfNormal("s"), shape=(24, 2))
        pm.Poisson("count", pm.math.exp(u), observed=np.arange(48).reshape(24, 2) % 5)
    return program_of(model, 6)


def test_gradients_of_an_epochs_batches_add_up_to_that_of_all_rows(made):
    """Exactly, at the same noise: each row is seen once, and counts N/B times.

    One latent has a closed form of its KL, the other has none.
    """
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-12), *gradients(*made))


def test_rows_that_a_batch_does_not_have_keep_every_bit(made):
    n = 24
    program, data, state = made
    with precision(DTYPE):
        step = jax.jit(program.step)
        for _ in range(2 * program.plan.per_epoch):
            batch, weights = program.batch(state, data, program.counts)
            seen = np.isin(np.arange(n), np.asarray(batch[ROWS])[np.asarray(weights) > 0])
            after, _ = step(state, data, program.counts)
            assert seen.sum() == 6
            before_and_after = [(state.params["x_true"], after.params["x_true"])]
            before_and_after += [(state.opt_state["rows"], after.opt_state["rows"])]
            for old, new in before_and_after:
                for a, b in zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True):
                    np.testing.assert_array_equal(np.asarray(a)[~seen], np.asarray(b)[~seen])
            locs = [np.asarray(s.params["x_true"]["loc"]) for s in (state, after)]
            assert (locs[0] != locs[1])[seen].all()
            state = after


def test_each_row_has_the_optimiser_to_itself_and_schedules_go_by_the_fits_steps():
    """Beside one optimiser for each row, given only the gradients of that row."""
    rng, rows = np.random.default_rng(0), 5
    optimizer = optax.adam(lambda step: 0.1 / (1 + step))
    params = {"b": {"loc": jnp.zeros(2)}, "u": {"loc": jnp.zeros((rows, 3))}}
    state = first_state(optimizer, params, {"u"})
    moments = optax.scale_by_adam()
    alone = [(np.zeros(3), moments.init(jnp.zeros(3))) for _ in range(rows)]
    shared, shared_state = jnp.zeros(2), optimizer.init(jnp.zeros(2))
    for step in range(6):
        chosen = rng.permutation(rows)[:2]
        slopes, slope = rng.normal(size=(3, 3)), rng.normal(size=2)
        gradient = {"b": {"loc": slope}, "u": {"loc": slopes}}
        gradient[ROWS] = {"": np.array([*chosen, rows]), "faster": 2.0}
        params, state = step_on_rows(optimizer, gradient, state, params, {"u"}, step)
        for row, own in zip(chosen, slopes, strict=False):
            update, after = moments.update(jnp.asarray(own), alone[row][1])
            alone[row] = alone[row][0] - 2 * 0.1 / (1 + step) * np.asarray(update), after
        update, shared_state = optimizer.update(jnp.asarray(slope), shared_state)
        shared = shared + update
    np.testing.assert_allclose(params["u"]["loc"], [own for own, _ in alone], rtol=1e-5)
    np.testing.assert_allclose(params["b"]["loc"], shared, rtol=1e-6)
    assert np.asarray(state["rows"][0].count).sum() == 12


def of(fitted, *names):
    return [
        (np.asarray(fitted.mean[k], float), np.asarray(fitted.std[k], float) ** 2) for k in names
    ]


def test_batches_end_where_coordinate_ascent_and_all_rows_do():
    x_obs, y = measured(60)
    best, _, (b, vb), (x, _) = mean_field_optimum(x_obs, y)
    settings = {"steps": 3000, "random_seed": 1, "progressbar": False}
    for batch_size in (20, None):
        fitted = bnn.fit(errors_in_variables(x_obs, y), batch_size=batch_size, **settings)
        assert best - 0.5 < exact_elbo(x_obs, y, *of(fitted, "a", "b", "x_true")) < best + 1e-3
        assert abs(float(fitted.mean["b"]) - b) < vb**0.5
        np.testing.assert_allclose(fitted.mean["x_true"], x, atol=0.15)
        assert abs(float(fitted.mean["b"]) - exact_slope(x_obs, y)[0]) < 0.1
        if batch_size is None:
            continue
        parts = fitted.elbo(100, random_seed=2, batch_size=16)
        exact = exact_elbo(x_obs, y, *of(fitted, "a", "b", "x_true"))
        assert abs(parts["elbo"] - exact) < 5 * parts["elbo_se"]
        [(mean, variance)] = of(fitted, "x_true")
        kl = 0.5 * np.log(TAU**2 / variance) - 0.5 + (variance + (mean - MU) ** 2) / (2 * TAU**2)
        np.testing.assert_allclose(fitted.kl()["x_true"], kl.sum(), rtol=1e-4)
        assert fitted.sample(3).posterior["x_true"].shape == (1, 3, 60)
        assert fitted.predict(draws=3)["y"].samples.shape == (3, 60)
        with pytest.raises(ValueError, match=r"as many rows as the fit had: \['x_true'\]"):
            fitted.predict({"x_obs": x_obs[:9], "y": y[:9]})
