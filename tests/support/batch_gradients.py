"""The gradient of an epoch's batches beside that of all rows, at the same parameters and noise."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.data.gathering import ROWS
from pymc_bnn.inference.plan import Length, Plan
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.vi import VI
from pymc_bnn.runtime.precision import precision

DTYPE = "float64"


def program_of(model, batch_size, **options):
    """Return the program of a fit in batches, the data of all rows, and its first state."""
    method = VI(**options)
    problem, source = prepare(
        model, DataOptions(batch_size=batch_size, dtype=DTYPE), latents=method.by_rows(model)
    )
    plan = Plan.of(source.batches, Length(steps=50))
    with precision(DTYPE):
        program = method.compile(problem, plan)
        return program, source.take()[0], program.init(1)


def moved(program, state):
    """Return a state whose parameters are nowhere special."""
    rng = np.random.default_rng(3)
    other = jax.tree.map(lambda a: a + 0.3 * rng.normal(size=a.shape), state.params)
    return jax.tree.map(lambda a, b: jnp.asarray(b, a.dtype), state.params, other)


def gradients(program, data, state):
    """Return the mean gradient of the batches of an epoch, and the gradient of all rows.

    Each row is seen once, with the noise that it has among all; batches are of one size.
    """
    n, per_epoch = program.problem.n, program.plan.per_epoch
    assert n % per_epoch == 0
    with precision(DTYPE):
        params = moved(program, state)
        noise = program.elbo.draw_noise(jax.random.key(2), n)
        by_row = {own.name for own in program.elbo.noise if None in own.shape}
        by_name = {d.name for d in program.problem.terms.data if d.per_example} | {ROWS}
        stored = len(data[min(by_name - {ROWS})])
        data = {**data, ROWS: np.arange(stored)}

        @jax.jit
        def gradient(batch, weights, own):
            slope = jax.grad(program.loss, has_aux=True)
            return slope(params, own, batch, weights, 0.7, float(n))[0]

        found = []
        for step in range(per_epoch):
            at = replace(state, step=jnp.int32(step))
            batch, weights = program.batch(at, data, program.counts)
            rows = np.asarray(batch[ROWS])
            own = {k: v[rows] if k in by_row else v for k, v in noise.items()}
            found.append(gradient(batch, weights, own))
        whole = {k: v[:n] if k in by_name else v for k, v in data.items()}
        expected = gradient(whole, np.ones(n), noise)
    mean = jax.tree.map(lambda *parts: np.mean(parts, axis=0), *found)
    return mean, jax.tree.map(np.asarray, expected)
