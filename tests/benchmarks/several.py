"""Eight members beside one fit, and NUTS's leapfrogs beside plain gradients.

    python tests/benchmarks/several.py [--rounds 5] [--only table mlp lenet5 leapfrog]

*Step* is the time of eight members' steps beside those of one fit, *fixed* what a call takes beside
its steps, warm; each in turns within one process. *Leapfrog* is that of four chains of `refine`
where trajectories are as long as they may be, beside the gradient of their log-density, vectorised
over the chains, everything compiled before.
"""

from __future__ import annotations

import argparse
import time
import warnings
from statistics import median

import jax
import numpy as np
import pandas as pd
import pymc as pm
from growth import network, table

import pymc_bnn as bnn
from pymc_bnn.inference.chains import Start, apart
from pymc_bnn.inference.log_joint import log_joint
from pymc_bnn.inference.nuts import Nuts, Whitening
from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.turns import cores, in_threads

MEMBERS, CHAINS, DEPTH = 8, 4, 8


def regression(rows: int) -> pm.Model:
    """A table of eight columns."""
    return network((8, 50, 1), *table(rows))


def images(net, shape: tuple[int, ...], rows: int = 2048) -> pm.Model:
    """Noise of ten classes."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, *shape)).astype("float32"), rng.integers(0, 10, rows)
    with pm.Model() as model:
        logits = bnn.bayesian(net, pm.Data("x", x))
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model


MODELS = {  # model, batch, few steps and many
    "table": lambda: (regression(700), "auto", 100, 4100),
    "mlp": lambda: (images(bnn.networks.mlp((784, 400, 400, 10)), (784,)), 128, 5, 55),
    "lenet5": lambda: (images(bnn.networks.lenet5(), (28, 28, 1)), 128, 2, 12),
}


def members(name: str, rounds: int) -> dict[str, float]:
    """Return ratios of eight members to one fit."""
    model, batch, few, many = MODELS[name]()
    size = {} if batch == "auto" else {"batch_size": batch}

    def seconds(count: int, steps: int) -> float:
        began = time.perf_counter()
        bnn.fit(model, steps=steps, members=count, random_seed=1, progressbar=False, **size)
        return time.perf_counter() - began

    for count in (1, MEMBERS):
        seconds(count, few)
    steps, fixed = [], []
    for _ in range(rounds):
        took = {(c, s): seconds(c, s) for s in (few, many) for c in (1, MEMBERS)}
        step = {c: (took[c, many] - took[c, few]) / (many - few) for c in (1, MEMBERS)}
        steps.append(step[MEMBERS] / step[1])
        fixed.append([took[c, few] - few * step[c] for c in (1, MEMBERS)])
    one, all_ = np.median(fixed, axis=0)
    return {"step ÷ one's": median(steps), "fixed, one, s": one, "fixed, eight, s": all_}


def leapfrog(rows: int, rounds: int) -> dict[str, float]:
    """Return the time of a leapfrog of all chains beside a vectorised gradient."""
    fitted = bnn.fit(regression(rows), steps=2000, random_seed=1, progressbar=False)
    problem = fitted.problem
    with precision(problem.dtype):
        density = log_joint(problem.terms, problem.dtype)
        sampler = Nuts(problem, density, 0.8, DEPTH, 1, CHAINS, side_by_side=False)
        means, stds = fitted.posterior.moments()
        loc, scale = (np.tile(sampler.flat(part), (CHAINS, 1)) for part in (means, stds))
        whitening = Whitening(loc.astype("float32"), scale.astype("float32"))
        data = {n: np.asarray(v, "float32") for n, v in problem.terms.arrays().items()}
        at = np.random.default_rng(0).normal(size=loc.shape).astype("float32")
        carry = sampler.start(at, whitening, data)
        carry = carry._replace(step_size=carry.step_size * np.float32(1e-4))  # never turns
        starts = apart(Start(carry, np.arange(CHAINS, dtype=np.int32), whitening))
        stages, key = np.zeros((1, 2), np.int32), jax.random.key(0)

        def value(z, data):
            return density(sampler.apart(z), data)

        gradient = jax.jit(jax.vmap(jax.value_and_grad(value), (0, None)))
        given = [
            (start.carry, start.chain, key, start.whitening, data, stages, np.int32(0), np.int32(1))
            for start in starts
        ]
        advance = sampler.advance.executable(*given[0])
        z = jax.device_put(loc.astype("float32"))
        data = jax.device_put(data)
        jax.block_until_ready(gradient(z, data))
        ratios, each = [], []
        with in_threads(min(CHAINS, cores())) as launch:
            for _ in range(rounds):
                began = time.perf_counter()
                found = [answer() for answer in [launch(advance, *one) for one in given]]
                took = time.perf_counter() - began
                made = np.mean([int(stats.n_steps[0]) for _, _, stats in found])
                began = time.perf_counter()
                for _ in range(int(made)):
                    jax.block_until_ready(gradient(z, data))
                ratios.append(took / (time.perf_counter() - began))
                each.append(1000 * took / made)
    return {"leapfrog of 4 chains, ms": median(each), "÷ gradient": median(ratios)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[*MODELS, "leapfrog"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{cores()} cores")
    found = {name: members(name, arguments.rounds) for name in MODELS if name in arguments.only}
    if found:
        print(pd.DataFrame(found).T.round(2).to_string())
    if "leapfrog" in arguments.only:
        rows = {f"{n} rows": leapfrog(n, arguments.rounds) for n in (277, 927)}
        print(pd.DataFrame(rows).T.round(3).to_string())


if __name__ == "__main__":
    main()
