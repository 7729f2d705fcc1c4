"""What a fit of several members returns: the face of their mixture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.approximation import Approximation
from pymc_bnn.diagnostics.checks.case import Case
from pymc_bnn.diagnostics.diagnose import OF_PREDICTIONS, diagnose
from pymc_bnn.inference.checkpoint import Checkpoint
from pymc_bnn.inference.members import Records, stack_states, state_of
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.run import RunOptions
from pymc_bnn.inference.state import State
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.posterior.stacking import stacking_weights
from pymc_bnn.prediction.predict import ask_density, density
from pymc_bnn.result import Result
from pymc_bnn.resuming import RUN
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saved_fits.programs import fit_to_json

__all__ = ["Mixture", "starts_of"]


@dataclass(frozen=True, eq=False, repr=False)
class Mixture(Approximation):
    """A mixture of fits of one model from different starts; made by ``fit(…, members=8)``.

    Predictions, draws and the ELBO are those of the mixture. Where the members found different
    modes it is a better approximation than each of them: its ELBO is above the mean of theirs, by
    the logarithm of their number where they do not overlap. :meth:`sample` draws a chain from each
    member, of unequal weights one from the mixture; an R-hat above 1 then says that the members
    found different modes, not that they failed.

    Attributes
    ----------
    state : State
        Of all members: arrays with a leading axis.
    record : Records
        What each run left.
    weights : tuple of float
        Shares of the members; equal unless :meth:`stack` chose others.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, members=3, random_seed=1, progressbar=False)
    >>> fitted.sample(100, random_seed=1).posterior["mu"].shape
    (3, 100)
    """

    weights: tuple[float, ...] = ()
    record: Records

    @classmethod
    def of(
        cls,
        problem: Problem,
        program: Program,
        states: Sequence[State],
        records: Records,
        kl_path: pd.DataFrame | None = None,
    ) -> Mixture:
        """Return the mixture with equal weights."""
        equal = (1 / len(states),) * len(states)
        return cls(problem, program, stack_states(states), records, kl_path, weights=equal)

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return (
            f"<Mixture of {len(self.members)} fits: {len(self.problem.terms.free)} variables, "
            f"{self.n_parameters:,} numbers, {self.record.steps:,} steps each, "
            f"kl_weight={self.kl_weight:g}>"
        )

    def _saved(self, store: Store) -> dict[str, Any]:
        """Return what it is made of, for JSON."""
        own = {"interrupted": self.record.interrupted, "weights": list(self.weights)}
        records = self.record.members
        return {**own, **fit_to_json(self.program, self.state, records, self.kl_path, store)}

    @cached_property
    def members(self) -> tuple[Approximation, ...]:
        """Each fit alone."""
        return tuple(
            Approximation(self.problem, self.program, state_of(self.state, i), record, self.kl_path)
            for i, record in enumerate(self.record.members)
        )

    @cached_property
    def posterior(self) -> MemberPosterior:
        """The mixture of the members' posteriors."""
        return MemberPosterior(tuple(m.posterior for m in self.members), self.weights)

    @property
    def params(self) -> Any:
        """Of each member alone: a mixture has no parameters that stand for it."""
        raise self.posterior.lacks("parameters of its own", "look at fitted.members[0].params")

    @property
    def kl_weight(self) -> float:
        """The lowest weight of the KL at a member's last step; below 1: a cold posterior."""
        return min(member.kl_weight for member in self.members)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Estimates per step, as of a single fit; the index counts members and steps."""
        return _by_member([member.history for member in self.members])

    def kl(self, draws: int = 20, random_seed: Any = 0) -> pd.Series:
        """Raise: the KL of a mixture is no sum over variables."""
        raise self.posterior.lacks(
            "a KL of each variable", 'look at fitted.elbo()["kl"], or fitted.members[0].kl()'
        )

    def summary(self) -> pd.DataFrame:
        """Return :meth:`Approximation.summary` of each member, one below the other."""
        return _by_member([member.summary() for member in self.members])

    def _diagnosed(self, case: Case) -> pd.DataFrame:
        found = {
            i: member.diagnose(case.draws, random_seed=case.seed)
            for i, member in enumerate(self.members)
        }
        whole = diagnose(case, OF_PREDICTIONS)
        return _joined({**found, "mixture": whole} if len(whole) else found)

    def scale_ratio(self) -> pd.Series:
        """Return :meth:`Approximation.scale_ratio` of each member, one below the other."""
        return _by_member([member.scale_ratio() for member in self.members])

    def _go_on(self, steps: int, data: Any, options: RunOptions, kept: Checkpoint) -> Mixture:
        """Go on with each member; those behind a Ctrl-C stay as they are."""
        members: list[Approximation] = []
        cut = False
        for i, member in enumerate(self.members):
            shown = replace(options, member=i, members=len(self.members))
            name = f"{RUN}-{i + 1}"
            members.append(member if cut else member._go_on(steps, data, shown, kept, name))
            cut = members[-1].interrupted
        records = Records(tuple(member.record for member in members), cut)
        states = stack_states([member.state for member in members])
        return replace(self, program=members[0].program, state=states, record=records)

    def stack(
        self, new_data: Mapping[str, Any], draws: int = 100, *, random_seed: Any = 0
    ) -> Mixture:
        """Return the mixture with the weights that make held-out data most probable.

        Parameters
        ----------
        new_data : mapping from str to array_like
            Data that no member has seen, observed variables included; a hundred rows or more.
        draws : int, optional
            Posterior draws of each member.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.

        Returns
        -------
        Mixture
            Of the same members.

        References
        ----------
        Yao, Vehtari, Simpson and Gelman, *Using stacking to average Bayesian predictive
        distributions*, Bayesian Analysis 13 (2018), eq. 4.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=500, members=2, random_seed=1, progressbar=False)
        >>> bool(np.isclose(sum(fitted.stack({"y": np.zeros(5)}).weights), 1))
        True
        """
        draws = check_int("draws", draws, 1, None, "pass draws=100")
        asked = ask_density(self.problem, new_data)
        scores = [density(m.posterior, asked, draws, random_seed) for m in self.members]
        return replace(self, weights=stacking_weights(np.stack(scores, axis=1)))


def starts_of(start: Any, members: Any, streamed: bool = False) -> list[Any]:
    """Return what each member starts from; raise where that cannot be.

    Examples
    --------
    >>> starts_of({"mu": 1.0}, 2)
    [{'mu': 1.0}, {'mu': 1.0}]
    """
    members = check_int("members", members, 1, None, "pass members=8, say")
    if members > 1 and streamed:
        repair = "fit them one by one, with other seeds"
        raise invalid("members", "be 1 where batches come from `data`", members, repair)
    if isinstance(start, Mixture):
        if len(start.members) != members:
            repair = f"pass members={len(start.members)}, or start=fitted.members[0]"
            rule = f"be a mixture of as many members, {members}"
            raise invalid("start", rule, f"{start!r}", repair)
        return [member.posterior for member in start.members]
    if isinstance(start, Result | Posterior) and members > 1:
        rule, repair = "hold values, or be a mixture, where there are members", "leave it out"
        raise invalid("start", rule, f"{start!r}, from which all would be one", repair)
    return [start.posterior if isinstance(start, Result) else start] * members


def _by_member(frames: Sequence[Any]) -> Any:
    return _joined(dict(enumerate(frames)))


def _joined(frames: Mapping[Any, Any]) -> Any:
    joined = pd.concat(frames, names=["member"])
    joined.attrs = dict(next(iter(frames.values())).attrs)
    return joined
