"""The posterior's predictions beside those of draws by NUTS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import logsumexp

from pymc_bnn._checks import first_line
from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.diagnostics.convergence import LEAST_ESS, MOST_RHAT, of_chains, predicted
from pymc_bnn.inference.refine import NutsOptions, check_refinable, refine
from pymc_bnn.posterior.of_draws import Chain, KeptDraws
from pymc_bnn.prediction.predict import predict, predictor_for
from pymc_bnn.prediction.requests import Request
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.runtime.precision import precision

__all__ = ["compared", "judged_density", "judged_shift", "judged_width", "reference"]

# Of a Normal the fit's 90 % interval then holds 86 and 74 % of the reference.
_SHIFTED = (0.5, 1.0)  # standard deviations
# And here 84 and 75 %; wider ones hold 95 and 98 %.
_NARROW = (0.85, 0.7)  # times
_BEHIND = (0.02, 0.05)  # nats per row
_ERRORS = (2.0, 3.0)  # standard errors
_REPAIR = "nearer come guide=bnn.guides.FullRank(), members=, and the reference: fitted.refine()"
_FIT = Request({}, None, asked=False)  # the rows of the fit


def reference(case: Case) -> Iterator[Finding]:
    """Yield how predictions differ from those of NUTS: mean, width, log-density; and its R-hat.

    On held-out data where their density is known, else on rows of the fit; without observed
    variables the free ones are compared. Where the chains did not mix all is a reason to look.

    Examples
    --------
    >>> reference.__name__
    'reference'
    """
    if case.reference is False:
        return
    drawn = case.reference
    if drawn is True:
        try:
            check_refinable(case.problem, 1.0, (), dropout=False)
            found = refine(case.problem, case.posterior, NutsOptions(), case.seed)
        except (ModuleNotFoundError, NotImplementedError, TypeError, ValueError) as error:
            yield Finding("reference", np.nan, LOOK, f"no draws by NUTS: {first_line(error)}")
            return
        if found is None:
            yield Finding("reference", np.nan, LOOK, "no draws by NUTS: it was interrupted")
            return
        drawn = found.posterior
    mixed, *compared = _beside(case, drawn)
    yield mixed
    for finding in compared:
        yield finding if mixed.verdict == GOOD else finding._replace(verdict=LOOK)


def compared(
    what: str, own: np.ndarray, drawn: np.ndarray, weights: Sequence[float]
) -> Iterator[Finding]:
    """Yield the shift and the width of what the fit predicts beside the reference.

    Parameters
    ----------
    what : str
        What is predicted.
    own, drawn : numpy.ndarray
        (chains, draws, numbers) of the fit and of NUTS.
    weights : sequence of float
        Shares of the chains of NUTS; those of the fit are equal.

    Examples
    --------
    >>> z = np.random.default_rng(0).normal(size=(2, 4, 500, 9))
    >>> [finding.verdict for finding in compared("mean of y", z[0] / 3, z[1], [0.25] * 4)]
    ['good', 'bad']
    """
    moves = np.ptp(drawn, axis=(0, 1)) > 0
    if not moves.any():
        return
    mean, std = _moments(own[..., moves], [1 / len(own)] * len(own))
    center, spread = _moments(drawn[..., moves], weights)
    shift = np.sqrt(np.mean((mean - center) ** 2) / np.mean(spread**2))
    yield judged_shift(what, float(shift))
    yield judged_width(what, float(np.median(std / spread)))


def judged_shift(what: str, shift: float) -> Finding:
    """Return the verdict on a distance of means, in the reference's standard deviations.

    Examples
    --------
    >>> judged_shift("mean of y", 0.1).verdict, judged_shift("mean of y", 2.0).verdict
    ('good', 'bad')
    """
    says = f"{what}: on average {shift:.2g} standard deviations of NUTS away from its"
    verdict = BAD if shift > _SHIFTED[1] else LOOK if shift > _SHIFTED[0] else GOOD
    says += "" if verdict == GOOD else f"; {_REPAIR}"
    return Finding(f"reference: shift of {what}", shift, verdict, says)


def judged_width(what: str, ratio: float) -> Finding:
    """Return the verdict on a ratio of standard deviations, fit over reference.

    Examples
    --------
    >>> [judged_width("mean of y", ratio).verdict for ratio in (0.5, 0.8, 1.0, 1.3, 2.0)]
    ['bad', 'look', 'good', 'look', 'bad']
    """
    says = f"{what}: varies over draws {ratio:.2g} times as much as by NUTS"
    small = min(ratio, 1 / ratio) if ratio > 0 else 0.0
    verdict = BAD if small < _NARROW[1] else LOOK if small < _NARROW[0] else GOOD
    if verdict != GOOD:
        says += f": the fit is {'too sure' if ratio < 1 else 'not sure enough'}; {_REPAIR}"
    return Finding(f"reference: width of {what}", ratio, verdict, says)


def judged_density(
    own: np.ndarray, drawn: np.ndarray, weights: Sequence[float], rows: str = "rows"
) -> Finding:
    """Return the verdict on the log-density per row, the fit's less the reference's.

    "bad" needs 0.05 nats and three standard errors, "look" 0.02 and two. The error is that of the
    rows, and of the draws: how much chains differ, as all rows see the same draws.

    Parameters
    ----------
    own, drawn : numpy.ndarray
        (chains, rows) log predictive densities of draws of the fit and of NUTS, nats.
    weights : sequence of float
        Shares of the chains of NUTS; those of the fit are equal.
    rows : str, optional
        What rows these are.

    Examples
    --------
    >>> noise = 0.1 * np.random.default_rng(0).normal(size=(4, 400))
    >>> [judged_density(own, noise, [0.25] * 4).verdict for own in (noise[::-1], noise - 0.3)]
    ['good', 'bad']
    """
    chains, n = own.shape
    with np.errstate(invalid="ignore"):  # densities of 0
        whole = [
            logsumexp(v, axis=0, b=np.reshape(shares, (-1, 1)))
            for v, shares in ((own, [1 / chains] * chains), (drawn, weights))
        ]
        differences = np.where(whole[0] == whole[1], 0.0, whole[0] - whole[1])
        gap, each = float(differences.mean()), np.mean(own - drawn, axis=1)
        of_rows = differences.std(ddof=1) / np.sqrt(n) if n > 1 else np.inf
        of_draws = each.std(ddof=1) / np.sqrt(chains) if chains > 1 else 0.0
        error = float(np.hypot(of_rows, of_draws))
    says = (
        f"log-density {gap:+.3g} nats per row beside NUTS's (standard error {error:.2g}, {n:,} "
        f"{rows})"
    )
    verdict = GOOD
    for word, least, errors in zip((LOOK, BAD), _BEHIND, _ERRORS, strict=True):
        if np.isneginf(gap) or -gap > max(least, errors * error):
            verdict = word
    says += "" if verdict == GOOD else f"; {_REPAIR}"
    return Finding("reference: log-density", gap, verdict, says)


def _beside(case: Case, drawn: KeptDraws) -> Iterator[Finding]:
    """Yield whether chains agree, and then each comparison."""
    problem, held = case.problem, case.held_out
    own = _like(case, drawn)
    chains, n = drawn.shape
    request, rows = _FIT, "rows of the fit"
    if held is not None and held.predictor.with_density:
        request, rows = held.request, "held-out rows"
    # Both at once, so that the same numbers are looked at.
    both = {name: np.concatenate([own.values[name], v]) for name, v in drawn.values.items()}
    both = KeptDraws(both, (*own.weights, *drawn.weights))
    parts = {k: v.astype(float) for k, v in predicted(problem, both, request).items()}
    yield _mixed(drawn, [of_chains(v[chains:]) for v in parts.values()])
    for what, values in parts.items():
        yield from compared(what, values[:chains], values[chains:], drawn.weights)
    if not problem.for_predictions.observed:
        return
    predictor, data = predictor_for(problem, request, None)
    if predictor.with_density:
        options = {"keep_draws": False, "random_seed": case.seed}
        densities = [
            [predict(c, predictor, data, n, **options).log_density for c in _chains(posterior)]
            for posterior in (own, drawn)
        ]
        yield judged_density(*map(np.stack, densities), drawn.weights, rows)


def _chains(posterior: KeptDraws) -> Iterator[Chain]:
    """Yield each chain, whatever its share."""
    for c in range(len(posterior.weights)):
        yield Chain({name: v[c] for name, v in posterior.values.items()})


def _like(case: Case, drawn: KeptDraws) -> KeptDraws:
    """Return as many draws of the fit, in as many chains of equal shares."""
    chains, draws = drawn.shape
    with precision(case.problem.dtype):
        values = case.posterior.draw_many(key_of(case.seed, "look"), chains * draws)
    apart = {name: v.reshape(chains, draws, *v.shape[1:]) for name, v in values.items()}
    return KeptDraws(apart, (1 / chains,) * chains)


def _moments(values: np.ndarray, weights: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard deviations of numbers (chains, draws, numbers)."""
    mean = np.average(values.mean(axis=1), axis=0, weights=weights)
    variance = np.average(((values - mean) ** 2).mean(axis=1), axis=0, weights=weights)
    return mean, np.sqrt(variance)


def _mixed(drawn: KeptDraws, found: list[tuple[float, float, str]]) -> Finding:
    """Return the verdict on the reference itself, of the (R-hat, ESS, why not) of what it says."""
    chains, draws = drawn.shape
    r_hat, ess = float(np.max([f[0] for f in found])), np.min([f[1] for f in found])
    says = (
        f"{chains} chains of {draws} draws by NUTS predict with R-hat {r_hat:.3f} at most and are "
        f"worth {ess:.0f} independent draws at least"
    )
    if r_hat <= MOST_RHAT and ess >= LEAST_ESS:
        return Finding("reference", r_hat, GOOD, says)
    says += (
        ": that is not enough to judge the fit by; pass reference=fitted.refine(draws=1000, "
        "tune=1000)"
    )
    return Finding("reference", r_hat, LOOK, says)
