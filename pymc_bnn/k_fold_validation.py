"""Cross-validation by fits that have not seen a part of the rows."""

from __future__ import annotations

import time

import numpy as np
import xarray as xr
from arviz_stats.utils import ELPDDataLOOKFold

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._warnings import collected
from pymc_bnn.approximation import Approximation
from pymc_bnn.data.epochs import EpochPlan
from pymc_bnn.fit_task import Task
from pymc_bnn.inference.holding_out import folds_of, rows_apart, take_out
from pymc_bnn.inference.members import member_seed
from pymc_bnn.inference.plan import Length
from pymc_bnn.inference.prepare import held
from pymc_bnn.inference.run import RunOptions
from pymc_bnn.mixture import Mixture
from pymc_bnn.model.absent import check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.prediction.predict import ask_density, density
from pymc_bnn.prediction.requests import warn_of_changed_data
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.runtime.precision import precision
from pymc_bnn.saved_fits.specs import check_known

__all__ = ["k_fold"]


def k_fold(
    fitted: Approximation,
    folds: int = 5,
    *,
    draws: int = 1000,
    random_seed: int | np.random.Generator | None = 0,
    progressbar: bool = True,
) -> ELPDDataLOOKFold:
    """Score each row by a fit that has not seen it, for ``az.compare``.

    The rows are split into folds at random, of classes in proportion, and the fit is made again
    without each of them: by the same method, as long, with as many members, from first values of
    its own. It takes as long as so many fits, and needs no importance weights, so that it is for
    all that :meth:`pymc_bnn.Approximation.loo` refuses.

    Parameters
    ----------
    fitted : Approximation
        The fit of all rows, of data in memory.
    folds : int, optional
        How many, in 2…N.
    draws : int, optional
        Posterior draws of each fit.
    random_seed : int or numpy.random.Generator, optional
        Of folds, fits and draws; the same for all models that are compared.
    progressbar : bool, optional
        Show the steps of each fit.

    Returns
    -------
    arviz_stats.utils.ELPDDataLOOKFold
        With pointwise values.

    Raises
    ------
    ValueError, TypeError
        For a bad argument, and where rows do not come apart.
    NonFiniteError
        When a fit meets NaN or infinity.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu", 0, 10), observed=np.linspace(-1, 1, 9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> found = k_fold(fitted, 2, draws=200, progressbar=False)
    >>> found.elpd_i.shape, bool(-14 < found.elpd < -9)
    ((9,), True)
    """
    if not isinstance(fitted, Approximation):
        rule, got = "be what pymc_bnn.fit returned", f"a {type(fitted).__name__}"
        raise invalid("fitted", rule, got, "pass the fit; of draws by NUTS call loo()", TypeError)
    problem, seed = fitted.problem, seed_of(random_seed)
    draws = check_int("draws", draws, 1, None, "pass draws=1000")
    if fitted.streamed:
        rule, got = "be of data in memory to be fitted again", "one whose data came in batches"
        raise invalid("fitted", rule, got, "score held-out rows: fitted.elpd(new_data)")
    check_there(problem.terms, "k_fold")
    check_known(fitted.program)
    terms = rows_apart(problem, seed)
    if terms is None:
        rule = "have a likelihood that comes apart by rows to be cross-validated"
        raise invalid("model", rule, "one that does not", "score new data: fitted.elpd(new_data)")
    folds = check_int("folds", folds, 2, terms.n_rows, "pass folds=5")
    warn_of_changed_data(problem.terms, "k_fold")

    fold = folds_of(terms, folds, seed)
    scores = np.empty(terms.n_rows)
    for k in range(folds):
        part, new = take_out(problem, terms, fold == k)
        label = f"fold {k + 1} of {folds}"
        again = _fit_again(fitted, part, member_seed(seed, k + 1), label, progressbar)
        scores[fold == k] = density(again.posterior, ask_density(part, new), draws, seed)
    rows = {d.name: d.value for d in terms.data if d.per_example}
    seen = density(fitted.posterior, ask_density(problem, rows), draws, seed)
    return _elpd(terms, scores, seen, draws, folds)


def _fit_again(
    fitted: Approximation, part: Problem, seed: int, label: str, progressbar: bool
) -> Approximation:
    """Fit a part of the rows as all were fitted; raise KeyboardInterrupt at Ctrl-C."""
    plan, n = fitted.program.plan, part.terms.n_rows
    size = n if plan.batches is None else min(plan.batches.batch_size, n)
    length = Length(None if plan.convergence else plan.steps)
    starts = [None] * (len(fitted.members) if isinstance(fitted, Mixture) else 1)
    options = RunOptions((), None, progressbar, label=label)
    with precision(part.dtype), held(part, EpochPlan(n, size)) as source, collected():
        task = Task(part, source, length, None, seed, options, starts, time.perf_counter())
        again = task.run(fitted.program.method)
    if again.interrupted:
        raise KeyboardInterrupt(f"at {label}")
    return again


def _elpd(
    terms: ModelTerms, scores: np.ndarray, seen: np.ndarray, draws: int, folds: int
) -> ELPDDataLOOKFold:
    """Return what ArviZ compares."""
    each = xr.Dataset({"elpd_i": ("row", scores), "p_kfold_i": ("row", seen - scores)})
    return ELPDDataLOOKFold(
        elpd=float(scores.sum()),
        se=float(np.sqrt(scores.size * scores.var())),
        p=float(each["p_kfold_i"].sum()),
        n_samples=draws,
        n_data_points=terms.n_rows,
        scale="log",
        warning=False,
        good_k=None,
        elpd_i=each["elpd_i"],
        n_folds=folds,
        p_kfold_i=each["p_kfold_i"],
    )
