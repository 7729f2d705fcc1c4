"""Who takes part in which part of the benchmark, in what module."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from workloads import WORKLOADS, Workload

__all__ = ["FLOOR", "STEPS", "Contender"]

FLOOR = "plain JAX"


@dataclass(frozen=True)
class Contender:
    """A class that a worker makes, and where it takes part."""

    name: str
    module: str
    class_: str
    options: dict[str, Any] = field(default_factory=dict)
    workloads: tuple[str, ...] = tuple(WORKLOADS)
    why_not: str = ""  # the reason on other workloads

    def refusal(self, workload: Workload) -> str | None:
        """Return why it does not take part, or None."""
        return None if workload.name in self.workloads else self.why_not


_DENSE = tuple(w.name for w in WORKLOADS.values() if not w.convolutional)
_CONV = tuple(w.name for w in WORKLOADS.values() if w.convolutional)
_FLAX = "Flax layers are compared on convolutional networks; the row 'NumPyro' is faster on others"

STEPS = (
    Contender(FLOOR, "plain_jax", "Steps"),
    Contender("ours auto", "ours", "Steps", {"estimator": "auto"}),
    Contender("ours pathwise", "ours", "Steps", {"estimator": "pathwise"}),
    Contender(
        "ours local",
        "ours",
        "Steps",
        {"estimator": "local"},
        _DENSE,
        "local reparameterisation is not exact where positions share a weight; see 'ours auto'",
    ),
    Contender("ours flipout", "ours", "Steps", {"estimator": "flipout"}),
    Contender(
        "ours auto, default optimiser",
        "ours",
        "Steps",
        {"estimator": "auto", "default_optimizer": True},
    ),
    Contender("NumPyro", "numpyro_svi", "Steps"),
    Contender("NumPyro Flax, SVI.run", "numpyro_flax", "Steps", {}, _CONV, _FLAX),
    Contender(
        "NumPyro Flax, SVI.run without bar",
        "numpyro_flax",
        "Steps",
        {"progress_bar": False},
        _CONV,
        _FLAX,
    ),
    Contender("pm.fit", "pm_fit", "Steps"),
    Contender("pm.fit in float64", "pm_fit", "Steps", {"precision": "float64"}),
    Contender("pymc-extras Trainer", "pymc_extras_trainer", "Steps"),
)
