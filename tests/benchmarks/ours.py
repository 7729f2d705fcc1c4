"""pymc_bnn through its public API: `bnn.fit`, halted between chunks by a callback."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from queue import Queue
from typing import Any

import jax
import numpy as np
import optax
import pymc as pm
from workloads import PRIOR_SIGMA, RATE, Workload

import pymc_bnn as bnn

__all__ = ["Steps", "build_model", "snapshots"]

_FOREVER = 2_000_000_000  # steps; the callback ends the fit


def build_model(
    workload: Workload, x: np.ndarray, y: np.ndarray, *, default_prior: bool = False
) -> pm.Model:
    """Return the workload as a PyMC model, built as a user of the package does."""
    if workload.name == "lenet5":
        network = bnn.networks.lenet5(activation=workload.activation)
    elif workload.convolutional:
        network = bnn.networks.convnet((28, 28, 1), 10, activation=workload.activation)
    else:
        sizes = (workload.layers[0].shape[0], *(layer.shape[1] for layer in workload.layers))
        network = bnn.networks.mlp(sizes, activation=workload.activation)
    with pm.Model() as model:
        inputs = pm.Data("x", x)
        prior = None if default_prior else bnn.priors.Normal(0, PRIOR_SIGMA)
        logits = bnn.bayesian(network, inputs, prior)
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    shapes = {rv.name: tuple(rv.type.shape) for rv in model.free_RVs}
    if shapes != workload.parameters():
        raise AssertionError(f"`workload` must describe the package's network, got {shapes}")
    return model


def snapshots(
    model: pm.Model, began: float, at_steps: Iterable[int], **options: Any
) -> list[tuple[int, float, Any]]:
    """Fit; return step, seconds since `began` and the fit at these steps, and at the end.

    The clock stands still while a snapshot is copied.
    """

    class Look:
        paused = 0.0

        def on_chunk(self, state: Any, info: Any) -> None:
            now = time.perf_counter()
            kept.append((info.step, now - began - self.paused, info.approximation()))
            self.paused += time.perf_counter() - now

    kept: list[tuple[int, float, Any]] = []
    look = Look()
    look.at_steps = set(at_steps)
    fitted = bnn.fit(model, random_seed=1, progressbar=False, callbacks=[look], **options)
    kept.append((fitted.record.steps, time.perf_counter() - began - look.paused, fitted))
    return kept


class Steps:
    """Steps of one long `bnn.fit`, which waits for the parent between chunks.

    Everything that `fit` does is timed: data order, gather, noise, optimiser, the history and the
    checks for NaN. The optimiser is Adam with a constant rate, as everywhere in this benchmark, or
    the package's default.
    """

    def __init__(
        self,
        workload: Workload,
        data: dict[str, np.ndarray],
        estimator: str = "auto",
        default_optimizer: bool = False,
    ):
        self.workload, self.data, self.estimator = workload, data, estimator
        self.optimizer = None if default_optimizer else optax.adam(RATE)
        self.turns: Any = None

    def build(self) -> int:
        """Start the fit; return the steps of a chunk, the first of which is done."""
        model = build_model(self.workload, self.data["train_x"], self.data["train_y"])
        self.turns, self.chunk = Turns(), self.workload.chunk(jax.default_backend())

        def fit() -> None:
            try:
                bnn.fit(
                    model,
                    steps=_FOREVER,
                    batch_size=self.workload.batch_size,
                    estimator=self.estimator,
                    optimizer=self.optimizer,
                    random_seed=0,
                    progressbar=False,
                    callbacks=[self.turns],
                    chunk_steps=self.chunk,
                )
            except BaseException as error:
                self.turns.answers.put(error)

        threading.Thread(target=fit, daemon=True).start()
        self.turns.wait()
        return self.chunk

    def run(self, steps: int) -> float:
        """Run whole chunks; return the last loss per example."""
        self.turns.requests.put(steps // self.chunk)
        return self.turns.wait() / len(self.data["train_x"])


class Turns:
    """A callback that blocks the fit until the next chunks are asked for."""

    def __init__(self) -> None:
        self.requests: Queue[int] = Queue()
        self.answers: Queue[Any] = Queue()
        self._left = 1

    def on_chunk(self, state: Any, info: Any) -> bool:
        """Count chunks; after the last one of a request say so, and wait for the next."""
        self._left -= 1
        if self._left == 0:
            self.answers.put(-float(info.elbo[-1]))
            self._left = self.requests.get()
        return False

    def wait(self) -> float:
        """Wait for the fit; raise what it raised."""
        answer = self.answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer
