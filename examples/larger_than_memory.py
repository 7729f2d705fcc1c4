"""A fit, and predictions, of a file of images that is larger than memory.

    python examples/larger_than_memory.py --gigabytes 20 --out results/larger_than_memory

The file is sparse: empty images (32, 32, 3) of bytes that take no room on the disk, and are read
as others are. Labels are random, with frequencies that the network has to find: what is shown here
is that memory stays where it was after the first steps, however large the file. One pass over all
batches by default; the predictions of `--predict` images go to a Zarr store.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn.report import make_folder

PIXELS = 32 * 32 * 3
FREQUENCIES = np.array([0.4, 0.3, 0.2, 0.1])


class Images:
    """Batches of a file of images, cut one by one; a new mapping each, so that none stays."""

    def __init__(self, path: Path, n: int, batch_size: int):
        self.path, self.total_size, self.batch_size = path, n, batch_size

    def __len__(self) -> int:
        return -(-self.total_size // self.batch_size)

    def __iter__(self):
        """Yield the batches of a pass."""
        for start in range(0, self.total_size, self.batch_size):
            yield self.rows(start, min(start + self.batch_size, self.total_size))

    def rows(self, start: int, stop: int) -> dict[str, np.ndarray]:
        """Return some images and their labels."""
        shape = stop - start, PIXELS
        images = np.memmap(self.path, np.uint8, "r", offset=start * PIXELS, shape=shape)
        rng = np.random.default_rng([1, start])
        labels = rng.choice(len(FREQUENCIES), size=len(images), p=FREQUENCIES)
        return {"x": images / np.float32(255), "y": labels}


class Peaks:
    """Keeps the largest resident memory so far, after every chunk."""

    def __init__(self):
        self.gigabytes = []

    def on_chunk(self, state, info) -> bool:
        """Look; never stops the fit."""
        self.gigabytes.append(peak())
        return False


def peak() -> float:
    """Return the largest resident memory of this process so far, in GB."""
    [line] = [s for s in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in s]
    return int(line.split()[1]) * 1024 / 1e9


def main() -> None:
    """Fit, predict, and write what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=20.0)
    parser.add_argument("--batch-size", type=int, default=4096)
    parser.add_argument("--steps", type=int, help="default: one pass")
    parser.add_argument("--predict", type=int, default=100_000, help="how many images")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    folder = make_folder(given.out)
    file = folder / "images.bin"
    n = int(given.gigabytes * 1e9) // PIXELS
    np.memmap(file, np.uint8, "w+", shape=(n, PIXELS))
    images = Images(file, n, given.batch_size)

    sample = images.rows(0, 20)
    network = bnn.networks.mlp((PIXELS, 16, len(FREQUENCIES)), activation="relu")
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", sample["x"]), bnn.priors.Normal(0, 0.1))
        pm.Categorical("y", logit_p=logits, observed=sample["y"], shape=logits.shape[0])

    peaks, began = Peaks(), time.perf_counter()
    fitted = bnn.fit(
        model,
        data=images,
        **({"steps": given.steps} if given.steps else {"epochs": 1}),
        learning_rate=0.03,
        callbacks=[peaks],
        chunk_steps=10,
        random_seed=1,
    )
    seconds = time.perf_counter() - began
    part = Images(file, min(n, given.predict), given.batch_size)
    new = ({"x": batch["x"]} for batch in part)
    found = fitted.predict_to(folder / "predictions.zarr", new, 20, random_seed=1)
    report = {
        "file_gb": n * PIXELS / 1e9,
        "images": n,
        "steps": len(fitted.history),
        "read_gb": min(len(fitted.history) * given.batch_size, n) * PIXELS / 1e9,
        "seconds": seconds,
        "peak_gb_after_10_steps": peaks.gigabytes[0],
        "peak_gb_of_fit": peaks.gigabytes[-1],
        "peak_gb_with_predictions": peak(),
        "predicted": found.sizes["example"],
        "probabilities": found["y_mean_probs"].mean("example").values.tolist(),
    }
    file.unlink()
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
