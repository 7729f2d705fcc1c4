"""Ctrl-C at random moments of all that takes long, once or twice; what it leaves.

    python tests/long/interruptions.py [--times 20] [--weights 20_000_000] [--seed 0]

Fits with a checkpoint are interrupted while they prepare, compile, step, call back and write, until
one ends, which has to be the one that was never stopped, bit by bit. Predictions, the ELBO and
`refine` are interrupted; after that the fit has to answer as before. At last a fit of so many
weights is, whose checkpoint has to be whole. A line for each, and an exit code of 1 if something
was wrong. Some five minutes on two idle cores, and 3 GB of memory and of disk for the last.
"""

import argparse
import contextlib
import io
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pymc as pm

import pymc_bnn as bnn

sys.path.insert(0, str(Path(__file__).parents[2]))
from pymc_bnn.inference.snapshots import Snapshot
from tests.support.checkpoint_parts import QUIET, X, Y, convolutional, numbers, regression


def press(*_):
    signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def ctrl_c(after, again=None):
    """Press Ctrl-C after some seconds, and perhaps again some seconds later."""
    signal.setitimer(signal.ITIMER_REAL, after, again or 0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def interrupted(act, after, again=None):
    """Return what an act returned, or None where Ctrl-C went through it."""
    try:
        with contextlib.redirect_stderr(io.StringIO()), ctrl_c(after, again):
            return act()
    except KeyboardInterrupt:
        return None


def slow(state, info):
    time.sleep(0.02)


class Slow:
    """A callback in which much of the time is spent."""

    on_chunk = staticmethod(slow)


def fits(name, act, usual, times, rng):
    """Interrupt fits so many times; return what was wrong."""
    expected, wrong = numbers(act(None)), []
    returned = raised = ended = 0
    while returned + raised < times:
        with tempfile.TemporaryDirectory() as folder:
            while True:
                last = returned + raised >= times
                again = rng.uniform(0.01, 0.3) if rng.random() < 0.3 else None
                after = 10**6 if last else rng.uniform(0.01, usual)
                found = interrupted(lambda folder=folder: act(folder), after, again)
                if found is not None and not found.interrupted:
                    break
                returned, raised = returned + (found is not None), raised + (found is None)
            ended += 1
            if numbers(found) != expected:
                wrong.append(f"{name}: other numbers")
    print(f"{name}: {returned} returned what was there, {raised} raised, {ended} ended, "
          f"{ended - len(wrong)} bit by bit as one that was never stopped", flush=True)  # fmt: skip
    return wrong


def answers(name, act, usual, times, rng):
    """Interrupt something done with a fit so many times; return what was wrong."""
    expected, wrong, raised = act(), [], 0
    for _ in range(times):
        raised += interrupted(act, rng.uniform(0.001, usual)) is None
    if not np.array_equal(act(), expected):
        wrong.append(f"{name}: another answer")
    print(f"{name}: {raised} of {times} raised, the answer after that "
          f"{'differs' if wrong else 'is as before'}", flush=True)  # fmt: skip
    return wrong


def large(weights, rng):
    """Interrupt a fit of many weights as it writes its checkpoint."""
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=weights)
        pm.Normal("y", w.sum(), 1, observed=0.0)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for after in rng.uniform(8, 25, 3):
            options = {"steps": 10**6, "checkpoint": folder, "checkpoint_every": "1s", **QUIET}
            began = time.monotonic()
            found = interrupted(lambda options=options: bnn.fit(model, **options), after)
            seconds = time.monotonic() - began - after
            steps = None if found is None else found.record.steps
            del found
            kept = sorted(Path(folder).glob("fit-1/0*"))
            done = [Snapshot.read(path).plain["done"] for path in kept]
            print(f"{weights:,} weights: Ctrl-C after {after:.1f} s, {seconds:.1f} s until it "
                  f"returned {steps} steps; kept {done}", flush=True)  # fmt: skip
            if steps is not None and (not done or done[-1] != steps):
                wrong.append("many weights: the last step was not kept")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--weights", type=int, default=20_000_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, press)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng, times = np.random.default_rng(args.seed), args.times
    model, images = regression(), convolutional()

    def dense(folder):
        options = {"steps": 3000, "batch_size": 50, "checkpoint": folder, "callbacks": [Slow()]}
        return bnn.fit(model, chunk_steps=100, checkpoint_every=100, **options, **QUIET)

    def conv(folder):
        options = {"steps": 600, "batch_size": 16, "checkpoint": folder}
        return bnn.fit(images, checkpoint_every=20, **options, **QUIET)

    wrong = fits("dense", dense, 2.0, times, rng)
    wrong += fits("convolutions", conv, 3.0, times, rng)
    fitted = bnn.fit(regression(), steps=500, **QUIET)
    new = {"x": np.tile(X, (40, 1)), "y": np.tile(Y, 40)}

    def refined():
        options = {"max_minutes": None, "progressbar": False, "random_seed": 1}
        return fitted.refine(100, tune=100, **options).posterior.moments()[0]["w"]

    asked = {
        "predict": (lambda: fitted.predict(new, 500, random_seed=1)["y"].mean, 1.0),
        "elbo": (lambda: fitted.elbo(200).to_numpy(), 1.0),
        "sample": (lambda: fitted.sample(10**5, random_seed=1).posterior["w"].to_numpy(), 0.5),
        "refine": (refined, 6.0),
    }
    for name, (act, usual) in asked.items():
        wrong += answers(name, act, usual, times if name != "refine" else max(times // 4, 1), rng)
    if args.weights:
        wrong += large(args.weights, rng)
    for text in wrong:
        print("wrong:", text)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
