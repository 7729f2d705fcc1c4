"""`pm.fit(backend="jax")`: PyMC's own ADVI, in float32 as all others, or in its own float64."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytensor
from pymc_model import logits
from workloads import RATE, START_SCALE, Workload

__all__ = ["Steps"]


class Steps:
    """Steps of `pm.ADVI`, which `pm.fit` runs; more of them by `refine`, without compiling anew."""

    def __init__(self, workload: Workload, data: dict[str, np.ndarray], precision: str = "float32"):
        pytensor.config.floatX = precision  # before any model is built; JAX follows it
        self.workload, self.data, self.precision = workload, data, precision

    def build(self) -> int:
        """Compile by running the first step; return how many steps are run at once."""
        size, n = self.workload.batch_size, len(self.data["train_x"])
        # The types that PyMC would cast to: it takes no cast of a minibatch for observed data.
        images = self.data["train_x"].astype(self.precision)
        labels = self.data["train_y"].astype("int16" if self.precision == "float32" else "int32")
        with pm.Model() as model:
            x, y = pm.Minibatch(images, labels, batch_size=size)
            pm.Categorical("y", logit_p=logits(self.workload, x), observed=y, total_size=n)
        sigmas = dict.fromkeys((rv.name for rv in model.free_RVs), START_SCALE)
        self.inference = pm.ADVI(model=model, start_sigma=sigmas, random_seed=0)
        self.inference.fit(
            1,
            backend="jax",
            score=True,
            obj_optimizer=pm.adam(learning_rate=RATE),
            progressbar=False,
        )
        return 1

    def run(self, steps: int) -> float:
        """Run steps; return the last loss per example (`hist` is the loss over N / batch)."""
        self.inference.refine(steps, progressbar=False)
        return float(self.inference.hist[-1]) / self.workload.batch_size
