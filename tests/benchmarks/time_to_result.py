"""Minutes until a fit is as good as a published one, compilation included."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from worker_client import Worker, WorkerError
from workloads import PRIOR_SIGMA, WORKLOADS, Workload

__all__ = ["RECIPES", "Recipe", "result_table", "time_to_result"]


@dataclass(frozen=True)
class Recipe:
    """How both contenders train: the rates fall to a hundredth along half a cosine."""

    epochs: int
    batch_size: int
    learning_rate: float  # of posterior means
    scale_learning_rate: float  # of the logarithms of posterior scales
    start_scale: float  # of every posterior
    looks_per_epoch: int  # snapshots, judged after the fit
    elbo_above: float  # nats, on the 50,000 training images
    accuracy_above: float  # on the 10,000 test images

    def steps(self, n: int) -> int:
        """Number of steps."""
        return self.epochs * (n // self.batch_size)

    def looks(self, n: int) -> list[int]:
        """Return the steps after which to look."""
        steps, every = self.steps(n), n // self.batch_size / self.looks_per_epoch
        return sorted({min(steps, round(every * i)) for i in range(1, steps + 1)} - {0})


RECIPES = {
    "conv": Recipe(8, 200, 0.005, 0.03, 0.03, 1, -18_619.0, 0.9803),
    "mlp": Recipe(8, 500, 0.005, 0.03, 0.05, 4, -99_916.0, 0.0),
}
CLASSES = {"ours": "Ours", "NumPyro": "NumPyro"}


class _Judged:
    """Snapshots of a fit, and how good they are according to `evaluation.py`."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        self.workload, self.data = workload, data
        self.kept: list[tuple[Any, Any]] = []  # means and scales by parameter

    def elbo(self, look: int, visits: int) -> tuple[float, float]:
        """Return the ELBO of a snapshot on the training images, and its standard error."""
        from evaluation import elbo

        x, y = self.data["train_x"], self.data["train_y"]
        return elbo(self.workload, *self.kept[look], x, y, visits)

    def accuracy(self, look: int, draws: int) -> float:
        """Return the accuracy of a snapshot on the test images."""
        from evaluation import accuracy

        x, y = self.data["test_x"], self.data["test_y"]
        return accuracy(self.workload, *self.kept[look], x, y, draws)


class Ours(_Judged):
    """`bnn.fit`; the clock stands still while a snapshot is copied."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import ours

        super().__init__(workload, data)
        self.ours = ours

    def fit(self, recipe: dict[str, Any]) -> list[tuple[int, float]]:
        """Fit; return step and seconds since the start of each snapshot."""
        r, bnn = Recipe(**recipe), self.ours.bnn
        n = len(self.data["train_x"])
        began = time.perf_counter()
        model = self.ours.build_model(self.workload, self.data["train_x"], self.data["train_y"])
        looks = self.ours.snapshots(
            model,
            began,
            r.looks(n),
            steps=r.steps(n),
            batch_size=r.batch_size,
            learning_rate=r.learning_rate,
            scale_learning_rate=r.scale_learning_rate,
            guide=bnn.guides.MeanField(init_scale=r.start_scale / PRIOR_SIGMA, relative_to="prior"),
        )[:-1]  # the last look is at the end
        self.kept = [fitted.posterior.moments() for _, _, fitted in looks]
        return [(step, seconds) for step, seconds, _ in looks]


class NumPyro(_Judged):
    """SVI in NumPyro's best way, with the same two rates."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray]):
        import numpyro_svi

        super().__init__(workload, data)
        self.numpyro_svi = numpyro_svi

    def fit(self, recipe: dict[str, Any]) -> list[tuple[int, float]]:
        """Fit; return step and seconds since the start of each snapshot."""
        import jax
        import optax

        r, n = Recipe(**recipe), len(self.data["train_x"])
        began = time.perf_counter()
        paused, looks, done = 0.0, [], 0

        def rate(peak: float) -> Any:
            return optax.adam(optax.cosine_decay_schedule(peak, r.steps(n), alpha=0.01))

        def label(params: dict[str, Any]) -> dict[str, str]:
            return {name: name.rpartition("_")[2] for name in params}

        rates = {"loc": rate(r.learning_rate), "scale": rate(r.scale_learning_rate)}
        training = self.numpyro_svi.Training(
            self.workload,
            self.data["train_x"],
            self.data["train_y"],
            optax.partition(rates, label),
            r.start_scale,
            r.batch_size,
        )
        for look in r.looks(n):
            training.advance(look - done)
            now = time.perf_counter()
            done = look
            looks.append((look, now - began - paused))
            params = jax.device_get(training.svi.get_params(training.state[0]))
            self.kept.append(
                tuple(
                    {name: params[f"{name}_auto_{part}"] for name in self.workload.parameters()}
                    for part in ("loc", "scale")
                )
            )
            paused += time.perf_counter() - now
        return looks


def time_to_result(
    name: str, data: Path, logs: Path, recipe: Recipe, visits: int = 3, draws: int = 50
) -> dict[str, Any]:
    """Return for each contender its looks: step, seconds of fitting, ELBO and accuracy.

    Looks are judged in order up to the first that stands above both thresholds (the ELBO by two
    standard errors), and the last one; the accuracy only where the ELBO is good enough.
    """
    results: dict[str, Any] = {"recipe": asdict(recipe)}
    for contender, class_ in CLASSES.items():
        row = results[contender] = {"looks": [], "reached_s": None}
        workload = WORKLOADS[name]
        settings = {"module": "time_to_result", "class": class_, "workload": name}
        with Worker(settings | {"data": str(data)}, logs / f"result_{name}_{class_}.log") as worker:
            try:
                worker.ask("start")
                looks = worker.ask("fit", timeout_s=6 * 3600, recipe=asdict(recipe))["value"]
                for i, (step, seconds) in enumerate(looks):
                    last = i == len(looks) - 1
                    if row["reached_s"] is not None and not last:
                        continue
                    elbo, error = worker.ask("elbo", look=i, visits=visits)["value"]
                    judged = {"step": step, "fit_s": seconds, "elbo": elbo, "elbo_se": error}
                    row["looks"].append(judged)
                    good = elbo - 2 * error > recipe.elbo_above
                    if good or last:
                        share = worker.ask("accuracy", look=i, draws=draws)["value"]
                        judged["accuracy"] = share
                        if good and share > recipe.accuracy_above:
                            row["reached_s"] = row["reached_s"] or seconds
                    said = f"{workload.name}, {contender}: {row['looks'][-1]}"
                    print(said, file=sys.stderr, flush=True)
                row["peak_mib"] = worker.ask("memory")["value"]["peak"]
            except WorkerError as error:
                row["reason"] = str(error)
    return results


def result_table(results: dict[str, Any]) -> pd.DataFrame:
    """Return one row per contender: minutes to the thresholds, and how the fit ended."""
    rows = {}
    for contender in CLASSES:
        row = results[contender]
        end = row["looks"][-1] if row["looks"] else {}
        reached = row["reached_s"]
        rows[contender] = {
            "minutes to both": np.nan if reached is None else reached / 60,
            "minutes in all": end.get("fit_s", np.nan) / 60,
            "last ELBO": end.get("elbo", np.nan),
            "± se": end.get("elbo_se", np.nan),
            "last accuracy": end.get("accuracy", np.nan),
            "reason": row.get("reason", ""),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
