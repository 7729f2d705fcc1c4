"""What the figures should be, beside what they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from contenders import FLOOR
from startup import BARE, USED
from steps import ratio

__all__ = ["targets_table"]

_OURS = "ours auto"  # the default estimator
_CONVS = ("lenet5", "conv")


def targets_table(record: dict[str, Any]) -> pd.DataFrame:
    """Return one row per target that something was measured for: target, measured, met."""
    rows: list[dict[str, Any]] = []

    def add(what: str, target: str, value: Any, met: bool, spread: str = "") -> None:
        rows.append(
            {"what": what, "target": target, "measured": value, "rounds": spread, "met": met}
        )

    steps = record.get("steps", {})
    for workload, results in steps.items():
        at_most = {"mlp": 1.5, "lenet5": 1.15, "conv": 1.15}.get(workload)
        found = ratio(results, _OURS, FLOOR)
        if at_most and found:
            met = found[0] <= at_most
            add(f"{workload}: step ÷ deterministic", f"≤ {at_most}", found[0], met, _spread(found))
        conv = workload in _CONVS
        numpyro = "NumPyro Flax, SVI.run" if conv else "NumPyro"
        at_least = {"mlp": 1.7, "lenet5": 1.5, "conv": 1.5}.get(workload)
        for other, least in (
            (numpyro, at_least),
            ("pm.fit", {"mlp": 5, "lenet5": 5, "conv": 5, "overhead": 10}.get(workload)),
        ):
            found = ratio(results, other, _OURS)
            if least and found:
                what = f"{workload}: {other} ÷ ours"
                add(what, f"≥ {least}", found[0], found[0] >= least, _spread(found))
    overhead = steps.get("overhead", {}).get(_OURS, {})
    if "median_s" in overhead:
        ms = 1e3 * overhead["median_s"]
        spread = f"{1e3 * overhead['min_s']:.3f}–{1e3 * overhead['max_s']:.3f}"
        add("overhead: ms per step", "≤ 0.1", ms, ms <= 0.1, spread)
    for workload, results in record.get("predict", {}).items():
        ours, floor = results["ours"], results["plain JAX"]
        ratios = [a / b for a, b in zip(ours["seconds"], floor["seconds"], strict=False)]
        if ratios:
            value = float(np.median(ratios))
            spread = f"{min(ratios):.2f}–{max(ratios):.2f}"
            add(f"{workload}: prediction ÷ plain JAX", "≤ 1.2", value, value <= 1.2, spread)
        if "peak_4x_mib" in ours:
            growth = ours["peak_4x_mib"] - ours["peak_mib"]
            flat = growth <= 0.02 * ours["peak_mib"]
            add(f"{workload}: MiB more for 4× draws", "≤ 2 % of the peak", growth, flat)
    for workload, results in record.get("time_to_result", {}).items():
        ours, numpyro = (results[name].get("reached_s") for name in ("ours", "NumPyro"))
        minutes = np.nan if ours is None else ours / 60
        if workload == "conv":
            target = "conv: minutes to 98.03 % and ELBO −18,619"
            add(target, "≤ 4", minutes, ours is not None and minutes <= 4)
        else:
            add(f"{workload}: minutes to its ELBO", "–", minutes, ours is not None)
        if ours and numpyro:
            add(f"{workload}: NumPyro ÷ ours, time to result", "–", numpyro / ours, numpyro > ours)
    if "imports" in record:
        for stage, what in (
            (BARE, "import pymc_bnn beyond pymc, s"),
            (USED, "its names in use, s"),
        ):
            seconds = record["imports"][stage]
            value, spread = float(np.median(seconds)), f"{min(seconds):.2f}–{max(seconds):.2f}"
            add(what, "≤ 0.5", value, value <= 0.5, spread)
    for workload, row in record.get("compile", {}).items():
        if "first" in row:
            if workload == "conv":
                value = row["first"]["s"]
                add("conv: first fit of one step, s", "≤ 20", value, value <= 20)
            again = row["second"]["compilations"]
            add(f"{workload}: compilations of a second fit", "0", again, again == 0)
    return pd.DataFrame(rows, columns=["what", "target", "measured", "rounds", "met"])


def _spread(found: tuple[float, float, float]) -> str:
    return f"{found[1]:.2f}–{found[2]:.2f}"
