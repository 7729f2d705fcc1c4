"""Networks on MNIST for `time_to_answer.py`: ours and NumPyro, and their judge."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from workloads import WORKLOADS, load, prepare

__all__ = ["EPOCHS", "NETS", "NUMPYRO", "data", "elbos", "numpyro", "ours"]

NETS = ["mlp", "conv", "lenet5"]
EPOCHS = {"mlp": 10, "conv": 4, "lenet5": 5}  # of our fit; NumPyro has as many seconds and more
NUMPYRO = [{"rate": r, "scale": s} for r in (0.001, 0.003, 0.01) for s in (0.1, 0.01)]
BATCH, VISITS = 256, 1
Snapshot = tuple[float, Any]


def data(name: str, part: str = "train") -> dict[str, np.ndarray]:
    """Return 50,000 images and labels of MNIST in a network's shape, or the 10,000 of "test"."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), {"mnist"}, synthetic=False)
        arrays = load(f"{folder}/mnist.npz", WORKLOADS[name])
    return {"x": arrays[f"{part}_x"], "y": arrays[f"{part}_y"]}


def ours(
    name: str,
    arrays: dict[str, np.ndarray],
    began: float,
    *,
    default_prior: bool = False,
    kl_weight: float = 1.0,
) -> Iterator[Snapshot]:
    """Fit with nothing set but its length, and the KL's weight; look at more and more steps."""
    from ours import build_model, snapshots

    model = build_model(WORKLOADS[name], arrays["x"], arrays["y"], default_prior=default_prior)
    at_steps = {int(100 * 1.3**k) for k in range(40)}
    length = {"epochs": EPOCHS[name], "kl_weight": kl_weight}
    for _, seconds, fit in snapshots(model, began, at_steps, **length):
        yield seconds, fit.posterior.moments()


def numpyro(
    name: str,
    arrays: dict[str, np.ndarray],
    began: float,
    rate: float,
    scale: float,
    seconds: float,
) -> Iterator[Snapshot]:
    """SVI in NumPyro's best way, from posteriors of a scale."""
    import jax
    import optax
    from numpyro_svi import Training

    jax.config.update("jax_enable_x64", False)  # which PyTensor has turned on
    workload = WORKLOADS[name]
    training = Training(workload, arrays["x"], arrays["y"], optax.adam(rate), scale, BATCH)
    first, paused, steps, look = None, 0.0, 0, 100
    while first is None or time.perf_counter() - paused - first < seconds:
        training.advance(20)
        steps += 20
        first = first or time.perf_counter()
        if steps < look:
            continue
        now, look = time.perf_counter(), int(look * 1.3)
        params = jax.device_get(training.svi.get_params(training.state[0]))
        parts = [
            {k: params[f"{k}_auto_{part}"] for k in workload.parameters()}
            for part in ("loc", "scale")
        ]
        yield now - began - paused, tuple(parts)
        paused += time.perf_counter() - now


def elbos(name: str, arrays: dict[str, np.ndarray], snapshots: list[Snapshot]) -> list[float]:
    """Return the ELBO of each on all images, by the judge of the whole benchmark."""
    import jax
    from evaluation import elbo

    jax.config.update("jax_enable_x64", False)
    given = arrays["x"], arrays["y"], VISITS
    return [float(elbo(WORKLOADS[name], *moments, *given)[0]) for _, moments in snapshots]
