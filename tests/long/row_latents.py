"""Counts with an effect per row, 5,000 of them: in batches and with all rows in every step.

python tests/long/row_latents.py --rows 5000
"""

import argparse
import time

import numpy as np

import pymc_bnn as bnn
from tests.support.latent_parts import overdispersed


def compare(rows: int) -> None:
    """Print what both end at, and the largest distances of their means."""
    model, found = overdispersed(rows), {}
    for name, batch_size in (("batches", 256), ("whole", None)):
        began = time.process_time()
        fitted = bnn.fit(model, batch_size=batch_size, random_seed=1, progressbar=False)
        spent = time.process_time() - began
        parts = fitted.elbo(200, random_seed=2)
        found[name] = fitted.mean, fitted.std
        numbers = {k: f"{float(fitted.mean[k]):.4f}±{float(fitted.std[k]):.4f}" for k in "abs"}
        steps = int(fitted.state.step)
        print(f"{name}: ELBO {parts['elbo']:,.1f} ± {parts['elbo_se']:.1f}, {steps:,} steps, ")
        print(f"    {spent:.0f} CPU s, {numbers}")
    (mean, std), (other, spread) = found["batches"], found["whole"]
    for name in ("a", "b", "s", "u"):
        far = np.abs(mean[name] - other[name]) / spread[name]
        print(f"{name}: at most {float(far.max()):.2f} posterior scales apart")
    print(f"scales of u: ratio {float((std['u'] / spread['u']).median()):.3f} in the middle")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5000)
    compare(parser.parse_args().rows)
