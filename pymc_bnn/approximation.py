"""What a fit returns: a posterior to inspect, sample from and predict with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from pymc_bnn._checks import check_int
from pymc_bnn._habits import ANYWHERE, answers
from pymc_bnn.diagnostics.checks.case import Case
from pymc_bnn.diagnostics.diagnose import diagnose
from pymc_bnn.diagnostics.full_elbo import evaluate_elbo, evaluate_kl
from pymc_bnn.diagnostics.history import history_frame
from pymc_bnn.diagnostics.summary import summary
from pymc_bnn.elbo.objective import objective_name
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.refine import NutsOptions, check_refinable, refine
from pymc_bnn.inference.state import State
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.prediction.requests import warn_of_changed_data
from pymc_bnn.refined import Refined
from pymc_bnn.result import Result
from pymc_bnn.resuming import Resumes
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saved_fits.programs import fit_to_json

__all__ = ["Approximation"]


@dataclass(frozen=True, eq=False, repr=False)
class Approximation(Resumes, Result):
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
    kl_path : pandas.DataFrame or None
        Of ``fit(kl_weight="auto")``: a row for each weight that was tried, with its held-out score
        (:func:`pymc_bnn.inference.tempering.path_frame`).
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
    kl_path: pd.DataFrame | None = None

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return (
            f"<Approximation: {len(self.problem.terms.free)} variables, {self.n_parameters:,} "
            f"numbers, {self.record.steps:,} steps{self.record.ended}, "
            f"kl_weight={self.kl_weight:g}>"
        )

    def _saved(self, store: Store) -> dict[str, Any]:
        """Return what it is made of, for JSON."""
        return fit_to_json(self.program, self.state, [self.record], self.kl_path, store)

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
    def kl_weight(self) -> float:
        """The weight of the KL at the last step; below 1 this is a cold posterior."""
        return float(self.program.kl_weight_at(max(self.record.steps - 1, 0)))

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
        dropout the same, without log_prior. With a schedule of the KL's weight: kl_weight; with
        recoveries rate, what updates were multiplied by.
        """
        return history_frame(
            self.record.metrics,
            self.program.kl_weight_at,
            self.program.plan.per_epoch,
            points=bool(self.points),
            dropout=self.program.dropout,
            recoveries=self.record.recoveries,
        )

    def elbo(
        self,
        draws: int = 10,
        *,
        data: Iterable[Any] | None = None,
        batch_size: int = 512,
        random_seed: Any = 0,
        progressbar: bool = True,
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
        progressbar : bool, optional
            Show visits and remaining time, in terminals and notebooks, after a second.

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
        draws = check_int("draws", draws, 2, None, "pass draws=10")
        batch_size = check_int("batch_size", batch_size, 1, None, "pass batch_size=512")
        warn_of_changed_data(self.problem.terms, self.objective, rows=not self.streamed)
        seed = seed_of(random_seed)
        options = draws, data, batch_size, seed, progressbar
        return evaluate_elbo(self.problem, self.posterior, *options)

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
        draws = check_int("draws", draws, 1, None, "pass draws=20")
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

    def diagnose(
        self,
        draws: int = 1000,
        *,
        data: Mapping[str, Any] | None = None,
        reference: bool | Refined = False,
        random_seed: Any = 0,
    ) -> pd.DataFrame:
        """Say of what can be measured whether it is good: a row per check.

        - converged: rise of the ELBO from the second to the last third of its steps [nats];
        - unmoved: share of all numbers that never left their start;
        - pruned: share of the network's weights (Normal priors) given back to the prior;
        - signal in y: what the network explains of each observed variable, beside a linear fit of
          the same inputs, on at most 1,000 rows;
        - k_hat: Pareto k-hat of the posterior's importance weights, evaluated on all data;
        - calibration of y, with held-out `data`: the share of values inside 90 % predictive
          intervals, of classes the expected calibration error, beside what they are if it is right;
        - reference, with `reference`: the largest R-hat of predictions of draws by NUTS;
          reference: shift, width: how far the mean of what is predicted is from theirs, in their
          standard deviations, and how widely it varies over draws beside theirs; reference:
          log-density: of a row, beside theirs [nats]. They are of `data` if given, else of rows of
          the fit; without observed variables of the free ones.

        Rows that cannot be computed are left out: k_hat with points, dropout or streams, or below
        100 draws; signal of streams, below 40 rows, or without a network. Of a mixture the tables
        of its members are one below the other; what is said with `data` and `reference` is of the
        whole, under "mixture".

        Parameters
        ----------
        draws : int, optional
            Draws for k_hat.
        data : mapping from str to array_like, optional
            Data that the fit has not seen, by name, as in :meth:`nll`: observed variables included.
        reference : bool or Refined, optional
            True runs NUTS as :meth:`refine` does, with its defaults; where it is refused or would
            take too long a row says why. Draws that are there already are taken as they are.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.

        Returns
        -------
        pandas.DataFrame
            value; verdict: "good", "look" or "bad"; says: a sentence, with the repair.

        Raises
        ------
        ValueError, TypeError
            For a bad argument, and where `data` hold no observed variable.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> fitted.diagnose()["verdict"].to_dict()
        {'converged': 'good', 'unmoved': 'good', 'k_hat': 'good'}
        """
        warn_of_changed_data(self.problem.terms, "diagnose", rows=not self.streamed)
        fit = self.problem, self.program, self.posterior, self.record
        return self._diagnosed(Case.of(*fit, draws, data, reference, random_seed))

    def _diagnosed(self, case: Case) -> pd.DataFrame:
        return diagnose(case)

    @answers({**ANYWHERE, "n_samples num_samples": "pass draws=", "cores": "pass chains="})
    def refine(
        self,
        draws: int = 200,
        *,
        tune: int = 200,
        chains: int | None = None,
        target_accept: float = 0.8,
        max_tree_depth: int = 8,
        max_minutes: float | None = 10,
        random_seed: Any = None,
        progressbar: bool = True,
        devices: str | int | Sequence[Any] | None = None,
    ) -> Refined | Approximation:
        r"""Sample the posterior by NUTS (blackjax), from where the fit ended.

        Chains run on all data, on CPUs as many at once as there are cores and on GPUs all side by
        side, in the coordinates u of z = loc + scale · u, where loc and scale are means and
        standard deviations of the fit (of the chain's own member), so that little is left to tune:
        step sizes, and variances by Stan's windows. The draws are those of the model's own
        posterior, whatever the guide: of weight 1 where the fit was cold, without dropout, and with
        a distribution for what was a point. Chains that begin in different modes stay there, as the
        members did.

        Parameters
        ----------
        draws : int, optional
            Kept draws of each chain.
        tune : int, optional
            Steps of each chain before.
        chains : int, optional
            By default one per member, or 4 of a single fit; members take turns. Each starts at a
            draw of its own.
        target_accept : float, optional
            Acceptance that step sizes are tuned for, in (0, 1).
        max_tree_depth : int, optional
            A trajectory has at most 2^max_tree_depth − 1 leapfrogs. Shorter ones are right as well;
            they get less far.
        max_minutes : float or None, optional
            Refuse, before starting, what may take longer; None waits for anything.
        random_seed : int or numpy.random.Generator, optional
            The same seed gives the same draws on the same machine.
        progressbar : bool, optional
            Show steps, rate, remaining time and divergences.
        devices : "all", int or sequence of jax.Device, optional
            Have chains on several devices, one program each: all, the first few, or these.

        Returns
        -------
        Refined
            The draws, to sample, predict and inspect as before; see its `convergence`. After Ctrl-C
            the draws so far of all chains, and in tuning this fit as it was.

        Raises
        ------
        ModuleNotFoundError
            Without blackjax: ``pip install blackjax``.
        ValueError, TypeError
            For a bad argument, data that came in batches, more than 2 GiB of draws, or more than
            `max_minutes`; the error says how long it would take.

        Warns
        -----
        UserWarning
            Where chains predict different things, draws are worth few, or more than one in a
            hundred is divergent.

        References
        ----------
        Hoffman and Gelman, *The No-U-Turn sampler*, JMLR 15 (2014).

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.ones(9))
        >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
        >>> refined = fitted.refine(random_seed=1, progressbar=False)
        >>> bool(abs(refined.mean["mu"] - 0.9) < 0.05), set(refined.convergence["verdict"])
        (True, {'good'})
        """
        options = NutsOptions(
            draws, tune, chains, target_accept, max_tree_depth, max_minutes, progressbar, devices
        )
        check_refinable(self.problem, self.kl_weight, self.points, self.program.dropout)
        warn_of_changed_data(self.problem.terms, "refine")
        found = refine(self.problem, self.posterior, options, random_seed)
        return self if found is None else Refined.of(self.problem, self.posterior, found)
