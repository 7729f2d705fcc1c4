"""What comes before the first step: imports, and the compilation of a first and a second fit."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from worker_client import Worker, WorkerError
from workloads import Workload

__all__ = ["BARE", "USED", "compile_table", "import_table", "time_compile", "time_imports"]

_IMPORTS = """
import json, time
t = [time.perf_counter()]
import pymc
t.append(time.perf_counter())
import pymc_bnn
t.append(time.perf_counter())
pymc_bnn.bayesian, pymc_bnn.fit, pymc_bnn.networks, pymc_bnn.priors
t.append(time.perf_counter())
print(json.dumps([b - a for a, b in zip(t, t[1:])]))
"""
BARE, USED = "import pymc_bnn beyond it", "bayesian, fit, networks, priors beyond both"
_STAGES = ("import pymc", BARE, USED)


def time_imports(rounds: int) -> dict[str, list[float]]:
    """Return seconds of each stage, every round in a new process; the first one is thrown away."""
    took = []
    for _ in range(rounds + 1):
        run = subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(f"importing pymc_bnn failed: {run.stderr.strip().splitlines()[-1]}")
        took.append(json.loads(run.stdout.strip().splitlines()[-1]))
    return {stage: [row[i] for row in took[1:]] for i, stage in enumerate(_STAGES)}


def import_table(results: dict[str, list[float]]) -> pd.DataFrame:
    """Return one row per stage: seconds."""
    columns = {"s": np.median, "least": np.min, "most": np.max}
    rows = {stage: {c: f(v) for c, f in columns.items()} for stage, v in results.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


class Fits:
    """Fits of one step each, and how often XLA compiled meanwhile."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import jax
        import ours

        self.workload, self.data, self.ours = workload, data, ours
        self.bnn_fit = ours.bnn.fit
        self.compiled: list[float] = []
        jax.monitoring.register_event_duration_secs_listener(self._listen)

    def _listen(self, event: str, seconds: float, **_: Any) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            self.compiled.append(seconds)

    def model(self) -> None:
        """Build the model."""
        self.pymc_model = self.ours.build_model(
            self.workload, self.data["train_x"], self.data["train_y"]
        )

    def fit(self, steps: int = 1) -> dict[str, float]:
        """Fit by the default estimator and optimiser."""
        before, began = len(self.compiled), time.perf_counter()
        self.bnn_fit(
            self.pymc_model,
            steps=steps,
            batch_size=self.workload.batch_size,
            random_seed=0,
            progressbar=False,
        )
        seconds, new = time.perf_counter() - began, self.compiled[before:]
        return {"s": seconds, "compilations": len(new), "compilations_s": sum(new)}


def time_compile(workload: Workload, data: Path, logs: Path) -> dict[str, Any]:
    """Return seconds of building the model, and of a first and a second fit of a single step."""
    settings = {"module": "startup", "class": "Fits", "workload": workload.name}
    log = logs / f"compile_{workload.name}.log"
    with Worker(settings | {"data": str(data)}, log) as worker:
        try:
            worker.ask("start")
            model_s = worker.ask("model")["seconds"]
            first, second = worker.ask("fit")["value"], worker.ask("fit")["value"]
            return {"model_s": model_s, "first": first, "second": second}
        except WorkerError as error:
            return {"reason": str(error)}


def compile_table(results: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per workload."""
    rows = {}
    for name, row in results.items():
        first, second = row.get("first", {}), row.get("second", {})
        rows[name] = {
            "model s": row.get("model_s", np.nan),
            "first fit s": first.get("s", np.nan),
            "of it XLA s": first.get("compilations_s", np.nan),
            "second fit s": second.get("s", np.nan),
            "its compilations": second.get("compilations", -1),
            "reason": row.get("reason", ""),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
