"""Training steps: every contender in a process of its own, timed in turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from contenders import FLOOR, Contender
from worker_client import Worker, WorkerError
from workloads import Workload

__all__ = ["Setting", "ratio", "steps_table", "time_steps"]

_MOST_PER_ROUND = 10_000_000


@dataclass(frozen=True)
class Setting:
    """How the steps are timed."""

    data: Path  # the workload's .npz file
    logs: Path  # folder for what workers print
    pythons: dict[str, str | None]  # interpreters of modules of other environments; None: none
    missing: str  # the reason where there is none
    backend: str  # of JAX: "cpu" or "gpu"
    rounds: int
    round_s: float  # seconds of a contender in a round


def time_steps(
    workload: Workload, contenders: Sequence[Contender], setting: Setting
) -> dict[str, dict[str, Any]]:
    """Return for each contender its figures, or the reason why it has none.

    All workers are started and compiled first, one after the other; then each runs for about
    `setting.round_s` seconds, one at a time, round after round, every other round in reversed
    order. On workloads that fill the memory, each contender runs all of its rounds alone.
    """
    results: dict[str, dict[str, Any]] = {c.name: {} for c in contenders}
    groups = [list(contenders)] if workload.in_turns else [[c] for c in contenders]
    for group in groups:
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            for contender in group:
                row = results[contender.name]
                given = (contender, workload, setting, row)
                worker = _attempt(row, lambda given=given: _started(*given))
                if worker is not None:
                    workers[contender.name] = stack.enter_context(worker)
                    _attempt(row, lambda w=worker, row=row: _calibrate(w, row, setting.round_s))
                _say(f"{workload.name}: {contender.name}: {row.get('reason', 'compiled')}")
            for i in range(setting.rounds):
                names = list(workers) if i % 2 == 0 else list(workers)[::-1]
                for name in names:
                    row = results[name]
                    if "reason" not in row:
                        _attempt(row, lambda w=workers[name], row=row: _one_round(w, row))
                if names:
                    _say(f"{workload.name}: round {i + 1} of {setting.rounds}")
            for name, worker in workers.items():
                row = results[name]
                if "reason" not in row:
                    _attempt(row, lambda w=worker, row=row: _memory(w, row))
    for row in results.values():
        _summarise(row)
    return results


def _started(
    contender: Contender, workload: Workload, setting: Setting, row: dict[str, Any]
) -> Worker:
    """Start the contender's worker and compile its first steps."""
    if refusal := contender.refusal(workload):
        raise WorkerError(refusal)
    python = setting.pythons.get(contender.module, sys.executable)
    if python is None:
        raise WorkerError(setting.missing)
    settings = {
        "module": contender.module,
        "class": contender.class_,
        "workload": workload.name,
        "data": str(setting.data),
        "options": contender.options,
    }
    name = f"{workload.name}_{contender.name}".replace(" ", "_").replace(",", "")
    worker = Worker(settings, setting.logs / f"steps_{name}.log", python)
    try:
        started = worker.ask("start")
        row["import_and_data_s"] = started["seconds"]
        row |= {"backend": started["value"]["backend"], "device": started["value"]["device"]}
        if row["backend"] != setting.backend:
            raise WorkerError(f"JAX runs on {row['backend']} there, not on {setting.backend}")
        row["memory_before_mib"] = started["value"]["memory"]["peak"]
        built = worker.ask("build")
    except WorkerError:
        worker.close()
        raise
    row |= {"unit": built["value"], "first_s": built["seconds"]}
    return worker


def _calibrate(worker: Worker, row: dict[str, Any], round_s: float) -> None:
    """Warm up, and choose how many steps make a round."""
    steps = row["unit"]
    for _ in range(12):
        seconds = worker.ask("run", steps=steps)["seconds"]
        if seconds > 0.2 * round_s:
            break
        steps = min(steps * 4, _MOST_PER_ROUND // row["unit"] * row["unit"])
    units = max(1, round(round_s / seconds * steps / row["unit"]))
    row["steps_per_round"] = min(units * row["unit"], _MOST_PER_ROUND)
    row["seconds_per_step"], row["loss"] = [], []


def _one_round(worker: Worker, row: dict[str, Any]) -> None:
    answer = worker.ask("run", steps=row["steps_per_round"])
    row["seconds_per_step"].append(answer["seconds"] / row["steps_per_round"])
    row["loss"].append(answer["value"])


def _memory(worker: Worker, row: dict[str, Any]) -> None:
    memory = worker.ask("memory")["value"]
    row["memory_peak_mib"] = memory["peak"]
    if "device_peak" in memory:
        row["device_memory_peak_mib"] = memory["device_peak"]


def _summarise(row: dict[str, Any]) -> None:
    """Add the median step, and the compile time: the first call without the steps in it."""
    seconds = row.get("seconds_per_step")
    if seconds:
        row["median_s"], row["min_s"], row["max_s"] = (
            float(f(seconds)) for f in (np.median, np.min, np.max)
        )
        row["compile_s"] = row["first_s"] - row["unit"] * row["median_s"]
        if not np.isfinite(row["loss"]).all():
            row["reason"] = "its loss became NaN or infinite"


def _attempt(row: dict[str, Any], do: Callable[[], Any]) -> Any:
    """Do it; what goes wrong becomes the reason of the row."""
    try:
        return do()
    except WorkerError as error:
        row["reason"] = str(error)
        return None


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def ratio(
    results: dict[str, dict[str, Any]], slow: str, fast: str
) -> tuple[float, float, float] | None:
    """Return median, least and largest over the rounds of one contender's time over another's."""
    pair = [results.get(name, {}).get("seconds_per_step") or [] for name in (slow, fast)]
    ratios = [a / b for a, b in zip(*pair, strict=False)]
    if not ratios:
        return None
    return float(np.median(ratios)), min(ratios), max(ratios)


def steps_table(results: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Return one row per contender: milliseconds, ratio to the floor, compile time, memory."""
    rows = {}
    for name, row in results.items():
        over = ratio(results, name, FLOOR)
        rows[name] = {
            "ms/step": _ms(row, "median_s"),
            "least": _ms(row, "min_s"),
            "most": _ms(row, "max_s"),
            "÷ floor": np.nan if over is None else over[0],
            "÷ least": np.nan if over is None else over[1],
            "÷ most": np.nan if over is None else over[2],
            "compile s": row.get("compile_s", np.nan),
            "peak MiB": row.get("memory_peak_mib", np.nan),
            "of it before": row.get("memory_before_mib", np.nan),
            "rounds": len(row.get("seconds_per_step", [])),
            "reason": row.get("reason", ""),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _ms(row: dict[str, Any], key: str) -> float:
    return 1e3 * row[key] if key in row else np.nan
