"""pymc-extras' `Trainer`, in an environment of its own where versions clash with ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from workloads import RATE, START_SCALE, Workload

__all__ = ["HOW_TO", "Steps", "environment"]

HOW_TO = "not installed: pass --trainer-env DIR, where an environment for it is made or found"
_PACKAGES = ("pymc-extras>=0.15", "pytensor-ml>=0.3,<0.4", "jax", "optax")


def environment(folder: Path, cuda: bool) -> str:
    """Return the interpreter of the environment in `folder`, which is made where there is none."""
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    test = [python, "-c", "import pymc_extras, pytensor_ml, jax, optax"]
    if subprocess.run(test, capture_output=True).returncode:
        packages = [*_PACKAGES, "jax[cuda13]"] if cuda else _PACKAGES
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return str(python)


class Prefetcher:
    """Minibatches of a permutation per epoch; its length is the number of rows, as Trainer asks."""

    def __init__(self, x: np.ndarray, y: np.ndarray, batch_size: int):
        self.x, self.y, self.batch_size = x, y, batch_size
        self._batches = self._forever()

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        return self._batches

    def _forever(self) -> Iterator[dict[str, np.ndarray]]:
        rng = np.random.default_rng(0)
        while True:
            order = rng.permutation(len(self.x))
            for start in range(0, len(order) - self.batch_size + 1, self.batch_size):
                rows = order[start : start + self.batch_size]
                yield {"x": self.x[rows], "labels": self.y[rows]}


class Steps:
    """Steps of `Trainer.fit` over a stream of minibatches."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import pytensor

        pytensor.config.floatX = "float32"
        import pymc_extras.inference.advi  # noqa: F401  imported before memory is looked at

        self.workload, self.data = workload, data

    def build(self) -> int:
        """Compile by running the first step; return how many steps are run at once."""
        import pymc as pm
        from pymc_extras.inference.advi import AutoDiagonalNormal, Trainer, adam
        from pymc_model import logits

        size = self.workload.batch_size
        self.stream = Prefetcher(self.data["train_x"], self.data["train_y"], size)
        with pm.Model() as self.model:
            x = pm.Data("x", self.data["train_x"][:size])
            labels = pm.Data("labels", self.data["train_y"][:size])
            pm.Categorical("y", logit_p=logits(self.workload, x), observed=labels)

        def guide(model: Any) -> Any:
            """Start scales at 0.01 instead of exp(0.1)."""
            built = AutoDiagonalNormal(model)
            for parameter, value in built.params_init_values.items():
                if parameter.name.endswith("_scale"):
                    built.params_init_values[parameter] = np.full_like(value, np.log(START_SCALE))
            return built

        self.trainer = Trainer(guide=guide, optimizer=adam(RATE), backend="jax")
        self.run(1)
        return 1

    def run(self, steps: int) -> float:
        """Run steps; return the last loss per example."""
        with self.model:
            state = self.trainer.fit(steps, self.stream, observeds=self._observeds())
        return float(state.loss_history[-1]) / len(self.stream)

    def _observeds(self) -> list[str] | None:
        return None if self.trainer.step else ["labels"]
