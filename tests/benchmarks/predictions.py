"""Posterior predictions: 100 draws × all test images, and the memory of more draws."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from worker_client import Worker, WorkerError
from workloads import START_SCALE, Workload

__all__ = ["CLASSES", "prediction_table", "time_predictions"]

_CHUNKS = (250, 500, 1000, 2000, 5000)
CLASSES = {"plain JAX": "PlainJax", "ours": "Ours", "NumPyro Predictive": "NumPyro"}


class PlainJax:
    """The floor: draw the weights, one vectorised forward pass per chunk, sum the probabilities."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import jax  # noqa: F401  before memory is looked at

        self.workload, self.data = workload, data

    def build(self) -> str:
        """Compile, and choose the fastest of several numbers of images at once."""
        import jax
        import jax.numpy as jnp
        from evaluation import draw
        from plain_jax import forward

        self.images = jnp.asarray(self.data["test_x"])
        means = jax.tree.map(jnp.asarray, self.workload.starting_weights())
        scales = jax.tree.map(lambda a: jnp.full(a.shape, START_SCALE), means)
        self.draw = jax.jit(lambda key: draw(key, means, scales))
        one = lambda w, x: jax.nn.softmax(forward(self.workload, w, x[None])[0])  # noqa: E731
        self.probabilities = jax.jit(jax.vmap(one, in_axes=(None, 0)))
        took = {}
        for self.size in _CHUNKS:
            if self.size <= len(self.data["test_x"]):
                self.predict(1)
                began = time.perf_counter()
                self.predict(2)
                took[self.size] = time.perf_counter() - began
        self.size = min(took, key=took.get)
        return f"{self.size} images at once"

    def predict(self, draws: int) -> float:
        """Predict; return the first mean probability."""
        import jax

        starts = range(0, len(self.images), self.size)
        chunks = [self.images[i : i + self.size] for i in starts]
        totals: list[Any] = [0.0] * len(chunks)
        for key in jax.random.split(jax.random.key(1), draws):
            weights = self.draw(key)
            totals = [
                t + self.probabilities(weights, x) for t, x in zip(totals, chunks, strict=True)
            ]
            jax.block_until_ready(totals)
        return float(np.concatenate(jax.device_get(totals))[0, 0] / draws)


class Ours:
    """`fitted.predict(…, keep_draws=False)`, which also counts votes and sums entropies."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import ours

        self.workload, self.data, self.ours = workload, data, ours

    def build(self) -> str:
        """Fit for a few steps; compile the prediction."""
        x, y = self.data["train_x"][:2000], self.data["train_y"][:2000]
        model = self.ours.build_model(self.workload, x, y)
        fit = self.ours.bnn.fit
        self.fitted = fit(model, steps=3, batch_size=100, random_seed=0, progressbar=False)
        self.predict(1)
        return "batch_size as by default"

    def predict(self, draws: int) -> float:
        """Predict; return the first mean probability."""
        new = {"x": self.data["test_x"]}
        prediction = self.fitted.predict(new, draws=draws, keep_draws=False, random_seed=1)
        return float(prediction.mean_probs[0, 0])


class NumPyro:
    """`Predictive` with the guide, which returns all draws; their mean is taken afterwards."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import numpyro_svi

        self.workload, self.data, self.numpyro_svi = workload, data, numpyro_svi

    def build(self) -> str:
        """Make the posterior; each call of `Predictive` compiles anew, which is counted."""
        import optax

        x, y = self.data["train_x"][:2000], self.data["train_y"][:2000]
        rate = optax.adam(1e-3)
        self.training = self.numpyro_svi.Training(self.workload, x, y, rate, START_SCALE)
        self.training.advance(1)
        return "parallel=False; labels sampled, as probabilities are no site"

    def predict(self, draws: int) -> float:
        """Predict; return the share of the first class at the first image."""
        import jax
        from numpyro.infer import Predictive

        training = self.training
        params = training.svi.get_params(training.state[0])
        model, guide = training.model, training.guide
        predictive = Predictive(model, guide=guide, params=params, num_samples=draws)
        labels = np.asarray(predictive(jax.random.key(1), self.data["test_x"])["y"])
        return float((labels[:, 0] == 0).mean())


def time_predictions(
    workload: Workload,
    data: Path,
    logs: Path,
    rounds: int,
    draws: int,
    longest_s: float,
) -> dict[str, dict[str, Any]]:
    """Return seconds of `draws` draws over all test examples, in turns; memory at 1× and 4× draws.

    A contender that would take longer than `longest_s` predicts fewer draws; its seconds are then
    scaled up, and its row says from how many.
    """
    results: dict[str, dict[str, Any]] = {}
    workers: dict[str, Worker] = {}
    try:
        for name, class_ in CLASSES.items():
            row = results[name] = {"seconds": []}
            settings = {"module": "predictions", "class": class_, "workload": workload.name}
            log = logs / f"predict_{workload.name}_{class_}.log"
            worker = workers[name] = Worker(settings | {"data": str(data)}, log)
            try:
                worker.ask("start")
                built = worker.ask("build")
                row |= {"build_s": built["seconds"], "how": built["value"]}
                few = worker.ask("predict", draws=2)["seconds"]
                more = worker.ask("predict", draws=4)["seconds"]
                each = max((more - few) / 2, few / 100, 1e-6)  # some compile anew in each call
                row["draws"] = int(min(draws, max(2, longest_s // each)))
            except WorkerError as error:
                row["reason"] = str(error)
        for i in range(rounds):
            for name in list(results) if i % 2 == 0 else list(results)[::-1]:
                row = results[name]
                if "reason" not in row:
                    try:
                        took = workers[name].ask("predict", draws=row["draws"])["seconds"]
                        row["seconds"].append(took * draws / row["draws"])
                    except WorkerError as error:
                        row["reason"] = str(error)
            print(f"predict {workload.name}: round {i + 1}", file=sys.stderr, flush=True)
        for name, row in results.items():
            if "reason" not in row:
                try:
                    row["peak_mib"] = workers[name].ask("memory")["value"]["peak"]
                    workers[name].ask("predict", draws=4 * row["draws"])
                    row["peak_4x_mib"] = workers[name].ask("memory")["value"]["peak"]
                except WorkerError as error:
                    row["reason"] = str(error)
    finally:
        for worker in workers.values():
            worker.close()
    return results


def prediction_table(results: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per contender: seconds, ratio to plain JAX, memory and its growth."""
    floor = results["plain JAX"]["seconds"]
    rows = {}
    for name, row in results.items():
        ratios = [a / b for a, b in zip(row["seconds"], floor, strict=False)]
        seconds = row["seconds"] or [np.nan]
        rows[name] = {
            "s": np.median(seconds),
            "least": min(seconds),
            "most": max(seconds),
            "÷ plain JAX": np.median(ratios) if ratios else np.nan,
            "measured draws": row.get("draws", 0),
            "peak MiB": row.get("peak_mib", np.nan),
            "peak at 4×": row.get("peak_4x_mib", np.nan),
            "how": row.get("how", ""),
            "reason": row.get("reason", ""),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
