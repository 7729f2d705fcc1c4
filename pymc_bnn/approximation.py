"""What a fit returns: a posterior to inspect, sample from and predict with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import xarray as xr

from pymc_bnn._checks import check_int
from pymc_bnn.diagnostics.checks.case import Case
from pymc_bnn.diagnostics.diagnose import diagnose
from pymc_bnn.diagnostics.full_elbo import evaluate_elbo, evaluate_kl
from pymc_bnn.diagnostics.history import history_frame
from pymc_bnn.diagnostics.summary import prior_stds, scale_ratio, summary
from pymc_bnn.elbo.objective import objective_name
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.state import State
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.constrained import constrained_moments
from pymc_bnn.posterior.sampling import choose_names, sample, to_dataset
from pymc_bnn.prediction.predicts import Predicts
from pymc_bnn.prediction.requests import warn_of_changed_data
from pymc_bnn.runtime.noise import key_of, seed_of

__all__ = ["Approximation"]


@dataclass(frozen=True, eq=False, repr=False)
class Approximation(Predicts):
    """An approximate posterior of a model; made by :func:`pymc_bnn.fit`.

    A thin face: what it does are functions of the problem and the posterior.

    Attributes
    ----------
    problem : Problem
        The model, prepared: ``problem.terms``, its data, precision and number of examples.
    program : Program
        What was run: the objective, the optimiser, how steps go over the data.
    state : State
        After the last step, in host memory: parameters, the optimiser's state, random key, step.
    record : Record
        What the steps left: metrics, and whether Ctrl-C ended them.
    posterior : Posterior
        That the state stands for: draws, moments, density, unconstrained.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> fitted.sample(100, random_seed=1).posterior["mu"].shape
    (1, 100)
    """

    problem: Problem
    program: Program
    state: State
    record: Record

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return (
            f"<Approximation: {len(self.problem.terms.free)} variables, {self.n_parameters:,} "
            f"numbers, {self.record.steps:,} steps{self.record.ended}, "
            f"kl_weight={self.kl_weight:g}>"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is computed on demand out of copies and pickles (``cloudpickle``'s)."""
        fields = ("problem", "program", "state", "record")
        return {name: self.__dict__[name] for name in fields}

    def __deepcopy__(self, memo: dict[int, Any]) -> Approximation:
        """Return a copy with a model of its own: graphs are copied as a whole or not at all."""
        return cloudpickle.loads(cloudpickle.dumps(self))

    @cached_property
    def posterior(self) -> Posterior:
        """The posterior that the state stands for."""
        return self.program.posterior(self.state)

    @property
    def params(self) -> dict[str, dict[str, np.ndarray]]:
        """Parameters of the guides, unconstrained: ``{block: {role: array}}``.

        A block is a free variable (mean-field: loc and log_scale), or the pattern of a joint guide.
        """
        return self.state.params

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the fit before its last step."""
        return self.record.interrupted

    @property
    def converged(self) -> bool | None:
        """Whether the ELBO had stopped rising where rates fell; None where steps were given."""
        return self.record.converged

    @property
    def n_parameters(self) -> int:
        """Number of unconstrained numbers of the model's free variables."""
        return sum(f.start.size for f in self.problem.terms.free)

    @property
    def kl_weight(self) -> float:
        """The weight of the KL at the last step; below 1 this is a cold posterior."""
        return float(self.program.kl_weight_at(max(self.record.steps - 1, 0)))

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return self.posterior.points

    @property
    def objective(self) -> str:
        """What the fit maximised, and what its columns are called: "elbo" or "objective".

        With points (:class:`pymc_bnn.guides.Delta`) the sum is no bound on the evidence, and with
        dropout the fit maximises another function than the model's ELBO: neither is called ELBO,
        and neither may be ranked against one.
        """
        return objective_name(points=bool(self.points), dropout=self.program.dropout)

    @cached_property
    def history(self) -> pd.DataFrame:
        """Estimates per step, of the full data and with an unweighted KL, in nats.

        Columns: epoch, elbo (= −nll − kl), nll, kl; the index counts steps from 1. With points:
        objective (= −nll − kl + log_prior) instead of elbo, and log_prior, of the points; with
        dropout the same, without log_prior. With a schedule of the KL's weight: kl_weight.
        """
        return history_frame(
            self.record.metrics,
            self.program.kl_weight_at,
            self.program.plan.per_epoch,
            points=bool(self.points),
            dropout=self.program.dropout,
        )

    @property
    def streamed(self) -> bool:
        """Whether the fit's data came in batches from outside, and the model has a sample only."""
        return self.problem.streamed

    @property
    def n_examples(self) -> int:
        """The number N of all examples of the fit, at least 1."""
        return self.problem.n

    def elbo(
        self,
        draws: int = 10,
        *,
        data: Iterable[Any] | None = None,
        batch_size: int = 512,
        random_seed: Any = 0,
    ) -> pd.Series:
        """Evaluate the unweighted ELBO on all training data.

        Every example is visited `draws` times; each batch of each visit has a posterior draw of
        its own. Where the likelihood does not come by rows, each draw sees all data.

        Parameters
        ----------
        draws : int, optional
            Visits, at least 2.
        data : iterable, optional
            Of a streamed fit: its batches, as in :func:`pymc_bnn.fit`, to be gone over `draws`
            times. If a visit meets more or fewer examples than N, its log-likelihood is scaled.
        batch_size : int, optional
            Examples evaluated at once; batches of `data` are evaluated as they are.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.

        Returns
        -------
        pandas.Series
            elbo, nll, kl (nats, full data), elbo_se (standard error of the ELBO over visits),
            and elbo_per_example where examples are known. With points they are called objective,
            objective_se, objective_per_example, beside log_prior; dropout is absent here.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
        >>> list(fitted.elbo(10).index)
        ['elbo', 'nll', 'kl', 'elbo_se']
        """
        check_int("draws", draws, 2, None, "pass draws=10")
        check_int("batch_size", batch_size, 1, None, "pass batch_size=512")
        warn_of_changed_data(self.problem.terms, self.objective, rows=not self.streamed)
        seed = seed_of(random_seed)
        return evaluate_elbo(self.problem, self.posterior, draws, data, batch_size, seed)

    def kl(self, draws: int = 20, random_seed: Any = 0) -> pd.Series:
        """Return the KL of each variable in nats, averaged over draws of its parents.

        Variables of a joint guide have one KL, under its pattern; points have none (NaN).

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> bnn.fit(model, steps=500, random_seed=1, progressbar=False).kl().index.tolist()
        ['mu']
        """
        check_int("draws", draws, 1, None, "pass draws=20")
        return evaluate_kl(self.problem, self.posterior, draws, seed_of(random_seed))

    def summary(self) -> pd.DataFrame:
        """Return what each variable got and how far it moved: one row per variable.

        Columns:

        - size: how many numbers it has;
        - guide, estimator, why: its family, how its gradient was estimated, and the reason;
        - kl [nats], kl_method: as of :meth:`kl` (of a joint guide: at its first variable);
        - scale_ratio: median of posterior/prior scales; see :meth:`scale_ratio`;
        - collapsed: share of numbers whose posterior scale is below 1 % of the prior's: points in
          all but name, whose KL is paid for accuracy, or scales that have not grown yet (not of
          positive variables such as hierarchical scales, which may be known that well);
        - pruned: share given back to the prior: scale within 10 % of the prior's, and mean within
          10 % of a prior scale of 0 (Normal priors around 0);
        - unmoved: share that never moved: scale within 1 % of where it started, and mean within 1 %
          of that scale (points: of the spread of the first values). A fit in which many numbers
          did not move is not finished.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> fitted.summary().loc["mu", ["guide", "estimator", "kl_method"]].tolist()
        ['MeanField', 'pathwise', 'closed form']
        """
        return summary(self.problem, self.posterior, self._prior_stds)

    def scale_ratio(self) -> pd.Series:
        """Return the median posterior/prior scale ratio of each variable.

        1 is a variable that the data said nothing about; near 0, one they determined, or a
        posterior that has not grown yet. Scales of the unconstrained space; the prior's scale is
        taken at the posterior mean of its own parameters (Normal priors) or from 1,000 prior
        draws.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> bool(0.09 < fitted.scale_ratio()["mu"] < 0.11)
        True
        """
        return scale_ratio(self.problem, self.posterior, self._prior_stds)

    def diagnose(self, draws: int = 1000, *, random_seed: Any = 0) -> pd.DataFrame:
        """Say of what can be measured whether it is good: a row per check.

        - converged: rise of the ELBO from the second to the last third of its steps [nats];
        - unmoved: share of all numbers that never left their start;
        - pruned: share of the network's weights (Normal priors) given back to the prior;
        - signal in y: what the network explains of each observed variable, beside a linear fit of
          the same inputs, on at most 1,000 rows;
        - k_hat: Pareto k-hat of the posterior's importance weights, evaluated on all data.

        Rows that cannot be computed are left out: k_hat with points, dropout or streams, or below
        100 draws; signal of streams, below 40 rows, or without a network.

        Parameters
        ----------
        draws : int, optional
            Draws for k_hat.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.

        Returns
        -------
        pandas.DataFrame
            value; verdict: "good", "look" or "bad"; says: a sentence, with the repair.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> fitted.diagnose()["verdict"].to_dict()
        {'converged': 'good', 'unmoved': 'good', 'k_hat': 'good'}
        """
        check_int("draws", draws, 1, None, "pass draws=1000")
        warn_of_changed_data(self.problem.terms, "diagnose", rows=not self.streamed)
        seed = seed_of(random_seed)
        return diagnose(Case(self.problem, self.program, self.posterior, self.record, draws, seed))

    @cached_property
    def _prior_stds(self) -> Mapping[str, np.ndarray]:
        """Drawn once: of some priors that takes seconds."""
        return prior_stds(self.problem, self.posterior)

    @cached_property
    def mean(self) -> xr.Dataset:
        """Posterior mean of each free variable, in the model's own (constrained) space."""
        return self._moments[0]

    @cached_property
    def std(self) -> xr.Dataset:
        """Posterior standard deviation of each free variable, in the model's own space."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[xr.Dataset, xr.Dataset]:
        terms = self.problem.terms
        means, stds = constrained_moments(self.problem, self.posterior)
        return to_dataset(terms, means), to_dataset(terms, stds)

    def sample(
        self,
        draws: int = 1000,
        var_names: str | Sequence[str] | None = None,
        filter_vars: str | None = None,
        *,
        random_seed: Any = None,
    ) -> xr.DataTree:
        """Draw from the posterior, in the model's own (constrained) space, for ArviZ.

        Parameters
        ----------
        draws : int, optional
            Number of draws, at least 1.
        var_names : str or sequence of str, optional
            Free variables and deterministics; by default all free variables, and the
            deterministics that do not depend on data of the examples. "~name" leaves one out.
        filter_vars : {None, "like", "regex"}, optional
            How names are matched, as everywhere in ArviZ.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.

        Returns
        -------
        xarray.DataTree
            With a group "posterior": (chain=1, draw, *dims) each.

        Raises
        ------
        ValueError
            If the draws would take more than 2 GiB; the error names the size.
        KeyError
            If a name is unknown.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", 0, pm.HalfNormal("s"), observed=np.ones(9))
        >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
        >>> bool((fitted.sample(50).posterior["s"] > 0).all())
        True
        """
        check_int("draws", draws, 1, None, "pass draws=1000")
        graphs = choose_names(self.problem.terms, var_names, filter_vars)
        warn_of_changed_data(self.problem.terms, "sample", list(graphs.values()))
        key, attributes = key_of(random_seed, "sample"), {"kl_weight": self.kl_weight}
        return sample(self.problem, self.posterior, graphs, draws, key, attributes)
