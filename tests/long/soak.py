"""Long use of one process: memory stays flat, and the reported ELBO is the one recomputed.

    python tests/long/soak.py [steps] [equal] [new] [--steps 100000] [--fits 1000]

``steps`` makes 100,000 steps on a small regression, in batches; ``equal`` fits a model that is
written anew each time, 1,000 times, with an ELBO and a prediction of each; ``new`` does so with
models of other sizes, which are compiled each, three tenths as often (most of JAX's caches hold up
to 2,048 entries, which some 100 fits fill; traces of its own functions it keeps for each shape). It
fails yet: after 120 fits each leaves 370 kB, about what JAX alone keeps of as many functions as it
traces, 55 to 95 kB of a program of twelve with its gradient. Printed: memory along the way and its
growth in the later half, arrays and programs alive, and how far the ELBO of the history and that of
``elbo()`` lie from the closed form in float64, in standard errors. Exit code 1 if memory grows by
more than the limits below, or an ELBO lies beyond five. On two idle cores ``steps`` takes half a
minute, the fits some twenty minutes.
"""

import argparse
import ctypes
import gc
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pymc as pm

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax

import pymc_bnn as bnn
from pymc_bnn.runtime import compilation

MOST_PER_STEP = 40  # bytes: the history has four numbers of a step, some twice
MOST_PER_FIT = {"equal": 30e3, "new": 300e3}  # bytes
SIGMA, TAU, ERRORS = 0.7, 1.5, 5.0
QUIET = {"progressbar": False, "random_seed": 1}


def resident():
    """Return the memory that the process holds, in bytes, after what can be given back was."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def growth(at, held):
    """Return bytes per unit of `at` in the later half: half the points' median slope."""
    half = len(at) // 2
    at, held = np.asarray(at[half:], float), np.asarray(held[half:], float)
    i, j = np.triu_indices(len(at), 1)
    return float(np.median((held[j] - held[i]) / (at[j] - at[i])))


def data(columns, rows=400):
    rng = np.random.default_rng(columns)
    x = rng.normal(size=(rows, columns))
    return x, x @ rng.normal(size=columns) + SIGMA * rng.normal(size=rows)


def model_of(x, y):
    with pm.Model() as model:
        w = pm.Normal("w", 0, TAU, shape=x.shape[1])
        pm.Normal("y", pm.Data("x", x) @ w, SIGMA, observed=y)
    return model


def closed_form(x, y, loc, scale):
    """Return the ELBO of independent Normals in float64."""
    loc, scale = np.asarray(loc, np.float64), np.asarray(scale, np.float64)
    fit = -0.5 * len(y) * np.log(2 * np.pi * SIGMA**2)
    fit -= (np.sum((y - x @ loc) ** 2) + np.sum(x**2 @ scale**2)) / (2 * SIGMA**2)
    kl = np.sum(np.log(TAU / scale) + (scale**2 + loc**2) / (2 * TAU**2) - 0.5)
    return fit - kl


class Memory:
    """Looks at memory between chunks."""

    def __init__(self):
        self.steps, self.held = [], []

    def on_chunk(self, state, info):
        self.steps.append(info.step)
        self.held.append(resident())


def soak_steps(steps):
    """Return faults of one long fit."""
    (x, y), memory = data(5), Memory()
    began = time.perf_counter()
    fitted = bnn.fit(
        model_of(x, y), steps=steps, batch_size=100, callbacks=[memory],
        learning_rate=1e-3, scale_learning_rate=1e-3, chunk_steps=max(1, steps // 40), **QUIET,
    )  # fmt: skip
    grown = growth(memory.steps, memory.held)
    print(f"{steps:,} steps in {time.perf_counter() - began:.0f} s")
    for step, held in list(zip(memory.steps, memory.held, strict=True))[::8]:
        print(f"  step {step:>9,}   {held / 2**20:8.1f} MiB")
    print(f"  growth {grown:.1f} bytes/step (at most {MOST_PER_STEP})")
    truth = closed_form(x, y, fitted.mean["w"], fitted.std["w"])
    whole = fitted.elbo(draws=4000, random_seed=2)
    last = fitted.history["elbo"].to_numpy(np.float64)[-steps // 10 :]
    blocks = last[: len(last) // 20 * 20].reshape(20, -1).mean(axis=1)
    faults = [] if grown <= MOST_PER_STEP else ["memory grows by step"]
    for name, value, error in (
        ("elbo()", float(whole["elbo"]), float(whole["elbo_se"])),
        ("history, last tenth", blocks.mean(), blocks.std(ddof=1) / np.sqrt(20)),
    ):
        away = abs(value - truth) / max(error, 1e-6 * abs(truth))
        print(f"  ELBO {name}: {value:.4f}, float64 {truth:.4f}, {away:.1f} standard errors")
        if away > ERRORS:
            faults.append(f"ELBO of {name}")
    return faults


def soak_fits(kind, fits):
    """Return faults of many fits."""
    began, at, held, worst = time.perf_counter(), [], [], 0.0
    every = max(1, fits // 40)
    sizes = np.random.default_rng(0).permutation(fits)  # programs grow with them
    for i in range(fits):
        x, y = data(3 if kind == "equal" else 3 + int(sizes[i]))
        fitted = bnn.fit(model_of(x, y), steps=50, batch_size=64, **QUIET)
        whole = fitted.elbo(draws=50, random_seed=3)
        truth = closed_form(x, y, fitted.mean["w"], fitted.std["w"])
        worst = max(worst, abs(float(whole["elbo"]) - truth) / float(whole["elbo_se"]))
        fitted.predict({"x": x[:7]}, draws=5, random_seed=4)
        del fitted, whole
        if (i + 1) % every == 0:
            at.append(i + 1)
            held.append(resident())
            arrays, programs = len(jax.live_arrays()), len(compilation._executables)
            if (i + 1) % (5 * every) == 0:
                where = f"  fit {i + 1:>6,}   {held[-1] / 2**20:8.1f} MiB"
                print(f"{where}   {arrays} arrays, {programs} programs kept", flush=True)
    grown, most = growth(at, held), MOST_PER_FIT[kind]
    print(f"{fits:,} fits ({kind}) in {time.perf_counter() - began:.0f} s")
    print(f"  growth {grown / 1e3:.1f} kB/fit (at most {most / 1e3:.0f})")
    print(f"  ELBO against float64: at most {worst:.1f} standard errors")
    faults = [] if grown <= most else [f"memory grows by fit ({kind})"]
    return faults + ([f"ELBO ({kind})"] if worst > ERRORS + 1 else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=["steps", "equal", "new"])
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--fits", type=int, default=1000)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    faults = []
    for kind in args.kinds:
        if kind == "steps":
            faults += soak_steps(args.steps)
        else:
            fits = args.fits if kind == "equal" else max(80, 3 * args.fits // 10)
            faults += soak_fits(kind, fits)
    print("; ".join(faults) or "nothing found")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
