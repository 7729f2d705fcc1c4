"""Whether weights moved at all, and whether they say anything that the prior does not."""

from __future__ import annotations

from collections.abc import Iterator

from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.model.network_parts import weight_names

__all__ = ["pruned", "unmoved"]

_MANY_UNMOVED, _MOST_UNMOVED = 0.05, 0.5
_MANY_PRUNED, _MOST_PRUNED = 0.8, 0.95


def unmoved(case: Case) -> Iterator[Finding]:
    """Yield the share of all numbers that never left their start.

    Examples
    --------
    >>> unmoved.__name__
    'unmoved'
    """
    share = case.share("unmoved")
    if share is None:
        return
    says = f"{share:.1%} of the numbers are where they started"
    if share < _MANY_UNMOVED:
        yield Finding("unmoved", share, GOOD, says)
        return
    verdict = BAD if share > _MOST_UNMOVED else LOOK
    says += ": the fit is not finished; make more steps, or fit without steps="
    yield Finding("unmoved", share, verdict, says)


def pruned(case: Case) -> Iterator[Finding]:
    """Yield the share of weights, biases left out, that were given back to their Normal priors.

    Examples
    --------
    >>> pruned.__name__
    'pruned'
    """
    points = case.posterior.points  # have no scale that could be the prior's
    names = [name for name in weight_names(case.problem.terms) if name not in points]
    share = case.share("pruned", names)
    if share is None:
        return
    says = f"{share:.1%} of the weights were given back to the prior"
    if share < _MANY_PRUNED:
        yield Finding("pruned", share, GOOD, says)
    elif share < _MOST_PRUNED:
        says += ": most units are idle; a smaller network would do as well"
        yield Finding("pruned", share, LOOK, says)
    else:
        says += (
            ": the network says almost nothing; start the noise small (initval=), take a smaller "
            "network or a narrower prior (bnn.priors.FanIn), or guide=bnn.guides.Delta()"
        )
        yield Finding("pruned", share, BAD, says)
