"""What checkpoints cost a fit of many weights: time with one and without, taken by turns.

    python tests/long/checkpoint_cost.py [--weights 20_000_000] [--steps 40] [--pairs 5]

Each pair of fits has the same steps, the second a checkpoint after every so many seconds as half of
them take, written by a thread while steps go on. The extra time of a checkpoint, of the clock and
of all cores, is compared with a minute: at one per minute it may take 2 % of it. Medians over
pairs; an exit code of 1 if the clock says more. Other work on the machine makes the clock's figure
noisy; that of the cores hardly.
"""

import argparse
import shutil
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn.inference.snapshots import Snapshot

QUIET = {"random_seed": 1, "progressbar": False}
SHARE = 0.02


class Clock:
    """Takes the times of the steps after the first few, in which programs are compiled."""

    def __init__(self, first, last):
        self.at_steps, self.first = {first, last}, first

    def on_chunk(self, state, info):
        now = time.perf_counter(), time.process_time()
        if info.step == self.first:
            self.began = now
        self.took = [b - a for a, b in zip(self.began, now, strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=int, default=20_000_000)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=5)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=args.weights)
        pm.Normal("y", w[:1000].sum(), 1, observed=0.0)
    first, last = 4, 4 + args.steps
    written, write = [], Snapshot.write

    def timed(self, path):
        before = time.perf_counter(), time.thread_time()
        write(self, path)
        spent = time.perf_counter() - before[0], time.thread_time() - before[1]
        written.append((*spent, sum(file.stat().st_size for file in path.iterdir())))

    Snapshot.write = timed

    def fit(folder=None, every="1h"):
        clock = Clock(first, last)
        options = {"checkpoint": folder, "checkpoint_every": every, **QUIET}
        bnn.fit(model, steps=last + 1, callbacks=[clock], **options)
        return np.array(clock.took)

    per_run = fit()[0]
    extra = []
    for pair in range(args.pairs):
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home, "kept")
            without = fit()
            written.clear()
            found = fit(folder, f"{per_run / 2:.3f}s")
            count = len(written) - 1  # the last one is of the end
            shutil.rmtree(folder)
        if count < 1:
            continue
        extra.append((found - without) / count)
        took, thread, size = np.median(written, axis=0)
        print(
            f"pair {pair + 1}: {without[0]:.1f} s without, {found[0]:.1f} s with {count} of "
            f"{size / 1e6:.0f} MB, each written in {took:.2f} s ({thread:.2f} s of a core)",
            flush=True,
        )
    clock, cores = np.median(extra, axis=0)
    print(
        f"a checkpoint of {args.weights:,} weights: {clock:.2f} s more by the clock "
        f"({clock / 60:.1%} of a minute), {cores:.2f} s more of the cores ({cores / 60:.1%})"
    )
    return int(clock / 60 > SHARE)


if __name__ == "__main__":
    sys.exit(main())
