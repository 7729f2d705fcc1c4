"""How fast a fit of 20 million weights is saved and loaded, beside a copy, synced and hashed.

The copy has the same bytes: read, SHA-256 taken, written, synced, file by file. All three take
turns, and medians count: saving and loading have to be at least half as fast. Run::

    python tests/long/saving_speed.py [--rounds 5] [--folder DIR]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pymc as pm

import pymc_bnn as bnn

HIDDEN, LEAST = (4060, 4060), 0.5


def big_fit():
    """Return a fit of a network with 20 million weights, after two steps."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 784)).astype("float32"), np.arange(32) % 10
    with pm.Model() as model:
        layers = bnn.networks.mlp((784, *HIDDEN, 10))
        pm.Categorical("y", logit_p=bnn.bayesian(layers, pm.Data("x", x)), observed=y)
    return bnn.fit(model, steps=2, random_seed=1, progressbar=False, estimator="pathwise")


def copied(source: Path, target: Path) -> None:
    """Copy a folder, synced and hashed."""
    target.mkdir()
    for file in sorted(source.iterdir()):
        digest, buffer = hashlib.sha256(), memoryview(bytearray(2**20))
        with file.open("rb") as old, (target / file.name).open("wb") as new:
            while size := old.readinto(buffer):
                digest.update(buffer[:size])
                new.write(buffer[:size])
            new.flush()
            os.fsync(new.fileno())
    handle = os.open(target, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder")
    options = parser.parse_args()
    fitted = big_fit()
    seconds = {"copy": [], "save": [], "load": []}
    with tempfile.TemporaryDirectory(dir=options.folder) as parent:
        folder = Path(parent)
        for _ in range(options.rounds):
            for name in ("fit", "copy"):
                shutil.rmtree(folder / name, ignore_errors=True)
            began = time.perf_counter()
            fitted.save(folder / "fit")
            seconds["save"].append(time.perf_counter() - began)
            began = time.perf_counter()
            copied(folder / "fit", folder / "copy")
            seconds["copy"].append(time.perf_counter() - began)
            began = time.perf_counter()
            loaded = bnn.load(folder / "fit")
            seconds["load"].append(time.perf_counter() - began)
        size = sum(file.stat().st_size for file in (folder / "fit").iterdir())
    for block, roles in fitted.state.params.items():
        for role, value in roles.items():
            assert np.array_equal(value, loaded.state.params[block][role]), (block, role)
    median = {name: float(np.median(own)) for name, own in seconds.items()}
    print(f"{fitted.n_parameters:,} weights, {size / 1e6:,.0f} MB")
    for name, own in seconds.items():
        share = median["copy"] / median[name]
        each = " ".join(f"{s:.2f}" for s in own)
        print(f"{name}: {median[name]:.2f} s ({each}), {share:.2f} of the copy's speed")
    return min(median["copy"] / median[name] for name in ("save", "load")) < LEAST


if __name__ == "__main__":
    sys.exit(main())
