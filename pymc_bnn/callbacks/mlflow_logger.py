"""Numbers of each chunk as metrics of an MLflow run."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pymc_bnn._checks import invalid, optional_library
from pymc_bnn.callbacks.rows import RowLogger
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.state import State

__all__ = ["MLflowLogger"]

_MOST = 1000  # metrics of one call, by MLflow's own limit


class MLflowLogger(RowLogger):
    """Logs metrics after each chunk to a run of MLflow, through its own client.

    Names are the columns of :class:`CSVLogger` but step and member; of several members
    ``member_0/nll`` and so on. Where and into which experiment is told to MLflow, as by
    ``mlflow.set_tracking_uri``. A fit that goes on from a checkpoint goes on with its run, and
    leaves out what that has already. A server that does not answer is warned of once; the metrics
    wait.

    Parameters
    ----------
    run_id : str, optional
        The run. By default the active one, else a new one, which MLflow ends with the process.

    Raises
    ------
    ModuleNotFoundError
        Without MLflow, with the command that installs it.
    TypeError, ValueError
        If `run_id` is no string; before the first step, if MLflow cannot be reached or does not
        know it.

    Examples
    --------
    >>> import mlflow, pymc_bnn as bnn
    >>> with mlflow.start_run():  # doctest: +SKIP
    ...     fitted = bnn.fit(model, callbacks=[MLflowLogger()])
    ...     mlflow.log_metric("elbo_at_the_end", fitted.elbo()["elbo"])
    """

    name = "the run of MLflow"
    every_s = 1.0  # a call may go over the network
    fails = (Exception,)  # its stores raise what they like

    def __init__(self, run_id: str | None = None):
        super().__init__()
        _mlflow()
        if run_id is not None and (not isinstance(run_id, str) or not run_id):
            repair = "pass mlflow.active_run().info.run_id, or leave it out"
            raise invalid("run_id", "be a string", repr(run_id), repair, TypeError)
        self.run_id = run_id
        self._prefix, self._known, self._begun = "", -1, False

    def on_begin(self, state: State, info: Info) -> None:
        """Find the run, and which metrics it has already."""
        mlflow = _mlflow()
        self._prefix = f"member_{info.member}/" if info.members > 1 else ""
        try:
            if self.run_id is None:
                self.run_id = (mlflow.active_run() or mlflow.start_run()).info.run_id
            client = mlflow.MlflowClient()
            client.get_run(self.run_id)
            self._known = -1
            if not self._begun and (info.step or info.member):
                logged = client.get_metric_history(self.run_id, f"{self._prefix}nll")
                self._known = max((int(metric.step) for metric in logged), default=-1)
        except Exception as error:
            rule, got = "be a run that MLflow finds", f"{self.run_id!r} ({error})"
            raise invalid("run_id", rule, got, "look at mlflow.get_tracking_uri()") from error
        self._begun = True

    def state_dict(self) -> dict[str, Any]:
        """Return the run, and what is not logged yet."""
        return super().state_dict() | {"run_id": self.run_id}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the run of another one."""
        super().load_state_dict(state)
        self.run_id = state["run_id"]
        self._known = -1  # where the fit has gone back its new numbers are logged, too

    def _write(self, rows: list[dict[str, float]]) -> None:
        from mlflow.entities import Metric

        client, now = _mlflow().MlflowClient(), int(1000 * time.time())
        metrics = [
            Metric(self._prefix + name, number, now, int(row["step"]))
            for row in rows
            if row["step"] > self._known
            for name, number in row.items()
            if name not in ("step", "member")
        ]
        for first in range(0, len(metrics), _MOST):
            client.log_batch(self.run_id, metrics[first : first + _MOST])


def _mlflow() -> Any:
    return optional_library("mlflow", "MLflowLogger", "mlflow-skinny")
