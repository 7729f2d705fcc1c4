"""What checks look at, and what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.diagnostics.checks.held_out import HeldOut
from pymc_bnn.diagnostics.summary import summary
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.record import Record
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.runtime.noise import seed_of

__all__ = ["BAD", "GOOD", "LOOK", "Case", "Finding"]

GOOD, LOOK, BAD = "good", "look", "bad"


class Finding(NamedTuple):
    """A row of the table: no verdict without its number.

    Examples
    --------
    >>> Finding("pruned", 0.1, GOOD, "a tenth was given back").verdict
    'good'
    """

    check: str
    value: float
    verdict: str  # GOOD, LOOK or BAD
    says: str  # a sentence, with the repair where there is one


@dataclass(frozen=True, eq=False)
class Case:
    """A fit as checks see it: problem, posterior, and what its run left.

    Attributes
    ----------
    problem, program, posterior, record
        As of :class:`pymc_bnn.Approximation`.
    draws : int
        Of checks by draws.
    seed : int
        Of these.
    held_out : HeldOut or None
        Data that it has not seen.
    reference : bool or KeptDraws
        Whether to compare it with draws by NUTS, or such draws.

    Examples
    --------
    >>> Case.__name__
    'Case'
    """

    problem: Problem
    program: Program
    posterior: Posterior
    record: Record
    draws: int = 1000
    seed: int = 0
    held_out: HeldOut | None = None
    reference: bool | KeptDraws = False

    @classmethod
    def of(
        cls,
        problem: Problem,
        program: Program,
        posterior: Posterior,
        record: Record,
        draws: Any,
        data: Any,
        reference: Any,
        random_seed: Any,
    ) -> Case:
        """Return what is to be diagnosed, after all checks of what a user gave."""
        draws = check_int("draws", draws, 1, None, "pass draws=1000")
        kept = getattr(reference, "posterior", None)  # of what refine returned
        if isinstance(kept, KeptDraws):
            reference = kept
            shapes = {f.name: f.start.shape for f in problem.terms.free}
            if {name: v.shape[2:] for name, v in kept.values.items()} != shapes:
                rule, got = "be draws of the same model", f"draws of {list(kept.values)}"
                raise invalid("reference", rule, got, "pass fitted.refine(), or True")
        elif not isinstance(reference, bool):
            rule, got = "be True or what fitted.refine() returned", f"a {type(reference).__name__}"
            raise invalid("reference", rule, got, "pass reference=True", TypeError)
        held_out = None if data is None else HeldOut.of(problem, data)
        fit = problem, program, posterior, record
        return cls(*fit, draws, seed_of(random_seed), held_out, reference)

    @cached_property
    def table(self) -> pd.DataFrame | None:
        """The summary; None where no guides can be summed up."""
        if not isinstance(self.posterior, GuidePosterior):
            return None
        return summary(self.problem, self.posterior)

    def share(self, column: str, names: Sequence[str] | None = None) -> float | None:
        """Return a share of the summary over all numbers of some variables; None of nothing."""
        if self.table is None:
            return None
        rows = self.table if names is None else self.table.loc[list(names)]
        rows = rows[rows[column].notna() & (rows["size"] > 0)]
        return float(np.average(rows[column], weights=rows["size"])) if len(rows) else None
