"""The weight of the KL chosen by rows that are held out: ``fit(kl_weight="auto")``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pymc_bnn._checks import say
from pymc_bnn._warnings import collected
from pymc_bnn.approximation import Approximation
from pymc_bnn.data.arrays import Origin
from pymc_bnn.data.epochs import EpochPlan
from pymc_bnn.errors import NonFiniteError
from pymc_bnn.fit_task import Task
from pymc_bnn.inference.convergence import Convergence
from pymc_bnn.inference.holding_out import hold_out
from pymc_bnn.inference.method import Method
from pymc_bnn.inference.prepare import held
from pymc_bnn.inference.tempering import Tried, path_frame, walk
from pymc_bnn.prediction.predict import ask_density, density

__all__ = ["fit_at_best_weight"]

_DRAWS = 200  # of the posterior, whose predictive densities are averaged
_WARM = Convergence(warmup=0, first=1000)  # of fits that start where the last weight's ended
_LAST, _FEW = 0.1, 10  # share of the steps whose mean is the ELBO that is told, and the fewest


def fit_at_best_weight(
    task: Task, method: Method, validation: float | Mapping[str, Any] | None
) -> Approximation:
    """Fit part of the rows at one weight after the other, score the others, and fit all rows.

    Each fit of the path goes on from where the one before it ended. At weight 1 the result is that
    of ``kl_weight=1``; at a colder one it goes on from the path's fit, which is what was scored:
    afresh it may find another optimum. Of several members each starts afresh.

    Parameters
    ----------
    task : Task
        The fit of all rows.
    method : Method
        Whose `kl_weight` is to be chosen.
    validation : float, mapping or None
        The share of the rows held out, or data that take their place; None: the default share.

    Returns
    -------
    Approximation
        With its `kl_path`. After Ctrl-C on the path: the fit that it met, of part of the rows.

    Examples
    --------
    >>> fit_at_best_weight.__name__
    'fit_at_best_weight'
    """
    if isinstance(validation, Mapping):
        part, new = task, dict(validation)
    else:
        problem, new = hold_out(task.problem, validation, task.seed)
        n, batches = problem.terms.n_rows, task.source.batches
        batches = EpochPlan(n, n if batches is None else min(batches.batch_size, n))
        source = held(problem, batches, task.mesh)
        part = replace(task, problem=problem, source=source)
    asked = ask_density(part.problem, new, Origin("validation"))
    last: list[Approximation] = []

    def attempt(weight: float) -> Tried | None:
        own = replace(method, kl_weight=weight)
        shown = replace(task.options, callbacks=(), label=f"kl_weight {weight:g}")
        now = replace(part, options=shown, starts=task.starts[:1], name=f"kl_weight={weight:g}")
        if last:
            own = replace(own, kl_warmup=0)
            length, start = task.length.half, last[-1].posterior
            now = replace(now, length=length, starts=[start], ends=_WARM)
        try:
            with collected():
                fitted = now.run(own)
        except NonFiniteError:
            if not last:
                raise
            return None
        last.append(fitted)
        if fitted.interrupted:
            return None
        score = density(fitted.posterior, asked, _DRAWS, task.seed)
        last_steps = max(_FEW, int(_LAST * fitted.record.steps))
        elbo = fitted.record.metrics.last(last_steps).elbo
        return Tried(weight, score, float(elbo.mean()), float(elbo.std() / np.sqrt(len(elbo))))

    tried = walk(attempt)
    path = path_frame(tried) if tried else None
    if last[-1].interrupted:
        return replace(last[-1], kl_path=path)
    place = int(np.argmax(path["chosen"]))
    weight = tried[place].kl_weight
    if task.options.progressbar:
        scores = ", ".join(f"{t.kl_weight:g}: {t.score:.4g}" for t in tried)
        text = f"kl_weight {weight:g} chosen by the log score of {len(tried[0].log_density):,} rows"
        say(f"{text} ({scores}); now of all rows")
    method = replace(method, kl_weight=weight)
    if weight < 1 and len(task.starts) == 1:
        task = replace(task, starts=[last[place].posterior])
        method = replace(method, kl_warmup=0)
    return task.fit(method, path)
