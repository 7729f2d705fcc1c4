"""Loaders of other libraries under a checkpoint: killed and gone on with, bit by bit.

    python tests/long/loaders.py

Needs grain, or torchdata with torch, in the environment; what is missing is said. Each loader feeds
a fit that ends at a random step; the same call is made again with a new loader, and has to return
the numbers of a fit that never ended. Printed: rows that were read after each end, which is about
what was left of them, as a loader that says where it is reads nothing twice. Exit code 1 if numbers
differ, or rows were read again.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))
import pymc_bnn as bnn
from tests.support.checkpoint_parts import QUIET, Kill, Killed, N, X, Y, assert_same, regression

STEPS, SIZE, AHEAD = 60, 20, 12  # batches fetched ahead, or kept by a state from before


class Rows:
    """A source of rows that counts what is read."""

    def __init__(self):
        self.reads = 0

    def __repr__(self):  # which grain's loader compares
        return "Rows"

    def __len__(self):
        return N

    def __getitem__(self, i):
        self.reads += 1
        return {"x": X[i], "y": Y[i]}


def grain_dataset(rows):
    import grain

    shuffled = grain.MapDataset.source(rows).seed(3).shuffle().repeat(STEPS)
    now = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    return shuffled.batch(SIZE, drop_remainder=True).to_iter_dataset(now)


def grain_loader(rows):
    import grain

    none = grain.sharding.NoSharding()
    sampler = grain.samplers.IndexSampler(N, none, shuffle=True, num_epochs=STEPS, seed=1)
    batches = [grain.transforms.Batch(SIZE, drop_remainder=True)]
    now = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    return grain.DataLoader(
        data_source=rows, sampler=sampler, operations=batches, worker_count=0, read_options=now
    )


def torchdata_loader(rows):
    import torch
    from torchdata.stateful_dataloader import StatefulDataLoader

    generator = torch.Generator().manual_seed(1)
    return StatefulDataLoader(rows, batch_size=SIZE, shuffle=True, generator=generator)


def fit(make, folder=None, callbacks=()):
    """Return the fit, and how many rows were read for it."""
    rows = Rows()
    options = {"total_size": N, "steps": STEPS, "chunk_steps": 1, "callbacks": list(callbacks)}
    if folder:
        options |= {"checkpoint": folder, "checkpoint_every": 1}
    try:
        return bnn.fit(regression(), data=make(rows), **options, **QUIET), rows.reads
    except Killed:
        return None, rows.reads


def main():
    rng, faults = np.random.default_rng(0), []
    for make in (grain_dataset, grain_loader, torchdata_loader):
        try:
            whole, _ = fit(make)
        except ImportError as error:
            print(f"{make.__name__}: not tried, {error}")
            continue
        for step in sorted(rng.choice(np.arange(2, STEPS), 3, replace=False).tolist()):
            with tempfile.TemporaryDirectory() as folder:
                assert fit(make, folder, [Kill(step)])[0] is None
                found, reads = fit(make, folder)
            most = (STEPS - step + AHEAD) * SIZE
            print(f"{make.__name__}: ended at step {step}, {reads} rows read after it (≤ {most})")
            try:
                assert_same(whole, found)
            except AssertionError as error:
                faults.append(f"{make.__name__}: {error}")
            if reads > most:
                faults.append(f"{make.__name__}: {reads} rows read again")
    print("\n".join(faults) or "nothing found")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
