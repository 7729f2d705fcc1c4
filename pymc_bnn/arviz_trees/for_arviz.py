"""The methods of a result that ArviZ goes on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr
from arviz_stats.utils import ELPDData, ELPDDataLOO

from pymc_bnn._checks import check_int
from pymc_bnn.arviz_trees.drawn import Drawn
from pymc_bnn.arviz_trees.held_out import held_out_elpd
from pymc_bnn.arviz_trees.leave_one_out import leave_one_out
from pymc_bnn.arviz_trees.tree import check_groups, draw_groups, of_rows
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.runs import Run, runs
from pymc_bnn.posterior.sampling import choose_names
from pymc_bnn.prediction.requests import Request, warn_of_changed_data
from pymc_bnn.runtime.noise import key_of, seed_of

__all__ = ["ForArviz"]

_APPROXIMATE = "az.loo takes these draws for exact; fitted.loo() corrects for what they are"


class ForArviz:
    """What has a problem, a posterior of it, and a method `sample`.

    Examples
    --------
    >>> ForArviz.__name__
    'ForArviz'
    """

    problem: Problem
    posterior: Posterior
    exact = False  # whether draws are those of the model's own posterior

    def to_datatree(
        self,
        draws: int | None = None,
        *,
        groups: str | Sequence[str] | None = None,
        new_data: Mapping[str, Any] | None = None,
        var_names: str | Sequence[str] | None = None,
        filter_vars: str | None = None,
        batch_size: int = 256,
        random_seed: Any = None,
        progressbar: bool = True,
    ) -> xr.DataTree:
        """Return all that ArviZ works on, of one set of draws.

        Groups, in the model's own space and with its dims and coords:

        - posterior: as :meth:`sample`; of members a chain each;
        - posterior_predictive, observed_data, constant_data: of the fit's rows;
        - predictions, predictions_constant_data: of `new_data`; with the probabilities of classes;
        - log_likelihood: of each value that was observed, whatever its `total_size`, in nats;
        - log_prior: of each free variable, the sum of its numbers, in nats;
        - prior, prior_predictive: as many draws;
        - sample_stats: of draws by NUTS theirs; with log_likelihood or log_prior of a fit `lp`, the
          log-density of parameters and data, and `log_q`, that of the guide, both in the
          unconstrained space.

        Parameters
        ----------
        draws : int, optional
            Of each chain: by default 1,000, or all that were kept.
        groups : str or sequence of str, optional
            Which, beside those of `new_data`; by default all that can be, and the tree's attribute
            "left_out" says why others are not there.
        new_data : mapping from str to array_like, optional
            Rows to predict, as of :meth:`predict`.
        var_names, filter_vars
            As of :meth:`sample`. Deterministics that depend on rows are predicted as well.
        batch_size : int, optional
            Rows predicted at once.
        random_seed : int or numpy.random.Generator, optional
            Seed of all draws; the posterior is that of :meth:`sample` with this seed.
        progressbar : bool, optional
            Show draws, rate and remaining time, in terminals and notebooks, after a second.

        Returns
        -------
        xarray.DataTree
            Its attribute "approximate" is 1 where draws are not those of the model's own posterior:
            ``az.loo`` would take them for that, :meth:`loo` does not.

        Raises
        ------
        ValueError, TypeError
            For a bad argument, a group that is named and cannot be, or one of more than 2 GiB.

        Examples
        --------
        >>> import numpy as np, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.arange(9.0))
        ...     y = pm.Normal("y", pm.Normal("b") * x, 1, observed=np.arange(9.0))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> tree = fitted.to_datatree(50, new_data={"x": [10.0, 20.0]}, random_seed=1)
        >>> print(*sorted(tree.children))
        constant_data log_likelihood log_prior observed_data posterior posterior_predictive
        predictions predictions_constant_data prior prior_predictive sample_stats
        """
        asked = check_groups(groups)
        batch_size = check_int("batch_size", batch_size, 1, None, "pass batch_size=256")
        draws = self._draws(draws)
        new = None if new_data is None else Request.of(self.problem, new_data)
        graphs = choose_names(self.problem.terms, var_names, filter_vars)
        seed = seed_of(random_seed)
        tree = self.sample(draws, var_names, filter_vars, random_seed=seed)
        warn_of_changed_data(self.problem.terms, "to_datatree", rows=not self.problem.streamed)
        drawn = Drawn(self.problem, self.posterior, self._chains(draws, seed), draws, seed)
        names = of_rows(self.problem, graphs)
        options = groups is not None, new, names, batch_size, progressbar
        found, why = draw_groups(drawn, asked, *options)
        for name, group in found.items():
            if name not in tree.children:
                tree[name] = xr.DataTree(group)
        if "posterior" not in asked:
            del tree["posterior"]
        tree.attrs |= {"inference_library": "pymc_bnn", "approximate": int(not self.exact)}
        tree.attrs |= {} if self.exact else {"loo": _APPROXIMATE}
        tree.attrs |= {"left_out": "; ".join(f"{k}: {v}" for k, v in why.items())} if why else {}
        return tree

    def loo(
        self,
        draws: int | None = None,
        *,
        observations: int | Sequence[int] | None = None,
        random_seed: Any = 0,
        progressbar: bool = True,
    ) -> ELPDDataLOO:
        """Estimate how well each row is predicted by all others, for ``az.compare``.

        By importance weights of the posterior's draws, Pareto-smoothed (PSIS-LOO). Of a fit the
        weights are of what its guide is beside the model's posterior, too
        (``arviz_stats.loo_approximate_posterior``): log p(z, data) − log q(z) − log p(row | z), of
        unconstrained z with Jacobians, each row counted once whatever its `total_size`; of members
        q is their mixture. Draws by NUTS are taken as they are. What is left out is a row, with all
        that was observed of it.

        Parameters
        ----------
        draws : int, optional
            By default 1,000, or all that were kept.
        observations : int or sequence of int, optional
            Weigh draws for so many rows at random, or for these, and estimate the sum of all from
            the difference to their plain log predictive densities: for more rows than some
            thousand. All data are gone over in any case.
        random_seed : int or numpy.random.Generator, optional
            Seed of draws and rows; the same for all models that are compared.
        progressbar : bool, optional
            Show draws, rate and remaining time, in terminals and notebooks, after a second.

        Returns
        -------
        arviz_stats.utils.ELPDDataLOO
            With pointwise values and k-hats; of `observations` an ``ELPDDataLOOSubsample``.

        Raises
        ------
        ValueError
            Where the k-hat of the draws themselves is above 0.7, of all rows as of each: they
            cannot be reweighted. That is so of networks of more than a few weights.
        TypeError
            Of points, which have no density.

        Warns
        -----
        UserWarning
            If the k-hat of some rows is too high: their values are not to be trusted.

        References
        ----------
        Vehtari, Gelman and Gabry, *Practical Bayesian model evaluation using leave-one-out
        cross-validation and WAIC*, Statistics and Computing 27 (2017). Magnusson, Andersen,
        Jonasson and Vehtari, *Bayesian leave-one-out cross-validation for large data*, ICML 2019.

        Examples
        --------
        >>> import numpy as np, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> bool(abs(fitted.loo().elpd + 8.745) < 0.1)  # 9 log N(0 | 0, 1 + 1/9)
        True
        """
        warn_of_changed_data(self.problem.terms, "loo")
        draws, seed = self._draws(draws), seed_of(random_seed)
        # Members take turns: a part of the draws is of their mixture.
        together = (Run(self.posterior, key_of(seed, "sample")),)
        chains = self._chains(draws, seed) if self.exact else together
        drawn = Drawn(self.problem, self.posterior, chains, draws, seed)
        return leave_one_out(drawn, observations, progressbar)

    def elpd(
        self,
        new_data: Mapping[str, Any],
        draws: int | None = None,
        *,
        random_seed: Any = 0,
        progressbar: bool = True,
    ) -> ELPDData:
        """Return how well held-out rows are predicted, for ``az.compare`` with other models' own.

        For whatever :meth:`loo` refuses: it needs no weights.

        Parameters
        ----------
        new_data : mapping from str to array_like
            Rows that the fit has not seen, observed variables included, as of :meth:`nll`.
        draws : int, optional
            By default 1,000, or all that were kept.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.
        progressbar : bool, optional
            As of :meth:`loo`.

        Returns
        -------
        arviz_stats.utils.ELPDData
            The sum of log predictive densities, its standard error over rows, and each row's.

        Examples
        --------
        >>> import numpy as np, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=1000, random_seed=1, progressbar=False)
        >>> round(fitted.elpd({"y": np.zeros(10)}).elpd, 1)
        -9.2
        """
        count = self._draws(draws) * (len(self._chains(1, 0)) if self.exact and not draws else 1)
        own = new_data, count, random_seed, progressbar
        return held_out_elpd(self.problem, self.posterior, *own)

    def _draws(self, draws: int | None) -> int:
        """Return how many draws of each chain."""
        return 1000 if draws is None else check_int("draws", draws, 1, None, "pass draws=1000")

    def _chains(self, draws: int, seed: int) -> tuple[Posterior, ...]:
        """Return the chains whose numbered draws `sample` shows."""
        return runs(self.posterior, key_of(seed, "sample"))
