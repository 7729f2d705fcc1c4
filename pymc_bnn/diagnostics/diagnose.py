"""A table of what can be said of a fit, with a verdict in words; and a line of warning."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pandas as pd

from pymc_bnn._warnings import warn
from pymc_bnn.diagnostics.checks.calibration import calibration
from pymc_bnn.diagnostics.checks.case import BAD, Case, Finding
from pymc_bnn.diagnostics.checks.converged import converged
from pymc_bnn.diagnostics.checks.k_hat import k_hat
from pymc_bnn.diagnostics.checks.reference import reference
from pymc_bnn.diagnostics.checks.signal import signal
from pymc_bnn.diagnostics.checks.weights import pruned, unmoved

__all__ = ["OF_A_FIT", "OF_PREDICTIONS", "diagnose", "warn_of_bad"]

Check = Callable[[Case], Iterator[Finding]]

OF_A_FIT: tuple[Check, ...] = (converged, unmoved, pruned, signal, k_hat)
OF_PREDICTIONS: tuple[Check, ...] = (calibration, reference)  # of a mixture: as a whole

_SHARE = 0.05  # of a fit's time that a look at its end may take


def diagnose(case: Case, checks: tuple[Check, ...] = OF_A_FIT + OF_PREDICTIONS) -> pd.DataFrame:
    """Return a row for each finding; see :meth:`pymc_bnn.Approximation.diagnose`.

    Examples
    --------
    >>> diagnose.__name__
    'diagnose'
    """
    found = [finding for check in checks for finding in check(case)]
    return pd.DataFrame(found, columns=list(Finding._fields)).set_index("check")


def warn_of_bad(case: Case, seconds: float) -> None:
    """Warn, in a line, of what is bad in a fit of no given length that took so many seconds.

    What is looked at is cheap, and given up after a twentieth of that time. That the ELBO still
    rose has had its own warning (:class:`pymc_bnn.inference.ending.Ending`).

    Examples
    --------
    >>> warn_of_bad.__name__
    'warn_of_bad'
    """
    until = time.perf_counter() + _SHARE * seconds
    bad = [f for f in signal(case, until) if f.verdict == BAD]
    if bad:
        parts = "; ".join(f.says.split(";")[0] for f in bad)
        warn(f"{parts}: see fitted.diagnose()")
