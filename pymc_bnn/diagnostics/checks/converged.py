"""Whether the ELBO had stopped rising."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.inference.convergence import Rise, rise

__all__ = ["converged", "judged"]

_GO_ON = "go on with start=fitted, or fit without steps= until it has stopped rising"
_HIDES = 10  # standard errors of so many rises that would matter tell nothing


def converged(case: Case) -> Iterator[Finding]:
    """Yield how much the ELBO rose from the second to the last third of its steps, in nats.

    Where no length was given these are the steps before rates fell, at constant rates. Else they
    are all steps at the last weight of the KL.

    Examples
    --------
    >>> converged.__name__
    'converged'
    """
    record, of_no_length = case.record, case.program.plan.convergence is not None
    if record.rise is not None and record.settled is not None:
        yield judged(record.rise, record.settled, falling=False)
        return
    if not record.steps:
        return
    weights = case.program.kl_weight_at(np.arange(record.steps))
    first = int(np.flatnonzero(weights != weights[-1]).max(initial=-1)) + 1
    elbo = np.asarray(record.metrics.elbo, float)[first:]
    yield judged(rise(elbo, case.problem.n), len(elbo), falling=not of_no_length)


def judged(found: Rise, steps: int, falling: bool) -> Finding:
    """Return the verdict on a rise over so many steps, whose rates were falling or constant.

    Rates that fall let the ELBO rise by themselves, as what the last steps did at random wears off;
    and rates that have fallen stop any rise. Such a rise is a reason to look, and none says little.

    Examples
    --------
    >>> judged(Rise(5.0, 1.0, 0.25), 6000, falling=False).verdict
    'bad'
    >>> judged(Rise(5.0, 1.0, 0.25), 6000, falling=True).verdict
    'look'
    >>> judged(Rise(0.5, 1.0, 0.25), 6000, falling=True).verdict
    'good'
    >>> judged(Rise(46.0, 40.0, 0.25), 6000, falling=True).verdict
    'look'
    """
    if not np.isfinite(found.nats):
        says = f"{steps:,} steps are too few to tell whether the ELBO still rises; {_GO_ON}"
        return Finding("converged", found.nats, BAD, says)
    by = (
        f"by {found.nats:.3g} nats from the second to the last third of {steps:,} steps (standard "
        f"error {found.error:.2g}; {found.enough:.3g} would not matter)"
    )
    if not found.goes_on and found.error > _HIDES * found.enough:
        says = f"noise hides whether the ELBO still rose: {by}; {_GO_ON}, or take larger batches"
        return Finding("converged", found.nats, LOOK, says)
    if not found.goes_on:
        says = f"the ELBO had stopped rising: it changed {by}"
        if falling:
            says += (
                "; learning rates that fall stop it, too: the surer test is a fit without steps="
            )
        return Finding("converged", found.nats, GOOD, says)
    if falling:
        says = f"the ELBO still rose {by}, in part perhaps because learning rates fell; {_GO_ON}"
        return Finding("converged", found.nats, LOOK, says)
    return Finding("converged", found.nats, BAD, f"the ELBO still rose {by}; {_GO_ON}")
