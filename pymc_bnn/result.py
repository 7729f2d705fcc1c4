"""What every answer can tell, whatever method found it: draws, moments, scales."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import xarray as xr

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._frames import as_html
from pymc_bnn._habits import ANYWHERE, answers
from pymc_bnn.arviz_trees.for_arviz import ForArviz
from pymc_bnn.diagnostics.summary import prior_stds, scale_ratio
from pymc_bnn.posterior.constrained import constrained_moments
from pymc_bnn.posterior.sampling import choose_names, sample, to_dataset
from pymc_bnn.prediction.predicts import Predicts
from pymc_bnn.prediction.requests import warn_of_changed_data
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saved_fits.files import write_files

__all__ = ["SAMPLING", "Result"]

SAMPLING = {  # of pm.sample, and of samples of pm.fit
    **ANYWHERE,
    "n n_samples num_samples samples size": "pass draws=1000",
    "chains cores": "draws are independent, of one chain; fit(members=4) has a chain of each",
    "tune target_accept nuts_sampler": "NUTS goes on from a fit by fitted.refine()",
    "return_inferencedata": "an xarray DataTree is returned",
}


def _restored(kind: type, state: bytes) -> Any:
    """Return a result that was pickled."""
    found = object.__new__(kind)
    found.__dict__.update(cloudpickle.loads(state))
    return found


class Result(ForArviz, Predicts):
    """A posterior of a problem, to inspect, sample from and predict with.

    Kinds of it are dataclasses; what else they hold is computed from their fields on demand.

    Examples
    --------
    >>> Result.__name__
    'Result'
    """

    def __getstate__(self) -> dict[str, Any]:
        """Leave what is computed on demand out of copies and pickles (``cloudpickle``'s)."""
        return {field.name: self.__dict__[field.name] for field in fields(self)}

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Let plain ``pickle``, ``joblib`` and ``copy`` take it: models are made of functions.

        The model is copied with it, as graphs are copied as a whole or not at all.
        """
        return _restored, (type(self), cloudpickle.dumps(self.__getstate__()))

    def __getitem__(self, name: Any) -> Any:
        """Say where the draws are, to those who ask for "posterior", as PyMC and ArviZ do."""
        rule, got = "be sampled from before draws are asked for", f"[{name!r}]"
        repair = "write idata = fitted.sample(1000), and pass idata to PyMC and ArviZ"
        raise invalid("fitted", rule, got, repair, TypeError)

    __iter__ = None  # is not made of parts

    def save(self, path: Any, data: bool = False) -> None:
        """Save it to a folder, which :func:`pymc_bnn.load` reads, in another process, too.

        All that it is made of: parameters, the optimiser's state, random key, history, choices,
        and the model's graph, so that it predicts without the code that made the model. A folder
        holds fit.json, model.json, arrays.safetensors and SHA256SUMS; nothing in it is ever run.

        Parameters
        ----------
        path : path
            Where nothing is yet. The folder appears there only once it is complete.
        data : bool, optional
            Whether the data that run over the examples are saved as well. By default names,
            types and shapes of them are: ``predict(new)`` works as before, and `elbo`, or
            predictions of the fit's own data, say what they lack.

        Raises
        ------
        ValueError
            If something is at `path`.
        TypeError
            Of choices that no file can hold, such as a method of one's own.

        Warns
        -----
        UserWarning
            If the model has parts that no file may hold, such as Python functions; it then has
            to be passed to :func:`pymc_bnn.load`.

        Examples
        --------
        >>> import os, tempfile
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     fitted.save(f"{folder}/fit")
        ...     print(*sorted(os.listdir(f"{folder}/fit")))
        ...     bnn.load(f"{folder}/fit")
        SHA256SUMS arrays.safetensors fit.json model.json
        <Approximation: 1 variables, 1 numbers, 500 steps, kl_weight=1>
        """
        write_files(path, data, type(self).__name__, self.problem, self._saved)

    @abstractmethod
    def _saved(self, store: Store) -> dict[str, Any]:
        """Put arrays into a store, and return all else that it is made of, for JSON."""

    def _repr_html_(self) -> str:
        """Return a table of the free variables, for notebooks."""
        of_one = getattr(self.posterior, "members", (self.posterior,))[0]
        blocks = getattr(getattr(of_one, "guide", None), "blocks", ())
        guides = {f.name: type(b.guide).__name__ for b in blocks for f in b.variables}
        free = self.problem.terms.free
        rows = {"shape": [f.start.shape for f in free], "numbers": [f.start.size for f in free]}
        rows["guide"] = [guides.get(f.name, "draws") for f in free]
        names = pd.Index([f.name for f in free], name="variable")
        return as_html(repr(self), pd.DataFrame(rows, names))

    def plot(self, ax: Any = None) -> Any:
        """Draw the ELBO (or objective) along the steps; of a mixture, that of each member.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw.

        Returns
        -------
        matplotlib.axes.Axes
            Of :func:`pymc_bnn.plots.elbo_curve` or :func:`pymc_bnn.plots.elbo_curves`, which have
            options.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
        >>> fitted.plot().get_xlabel()
        'step'
        """
        from pymc_bnn.plots import elbo_curve, elbo_curves

        return (elbo_curves if hasattr(self, "members") else elbo_curve)(self, ax=ax)

    @property
    def n_parameters(self) -> int:
        """Number of unconstrained numbers of the model's free variables."""
        return sum(f.start.size for f in self.problem.terms.free)

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        return self.posterior.points

    @property
    def streamed(self) -> bool:
        """Whether the fit's data came in batches from outside, and the model has a sample only."""
        return self.problem.streamed

    @property
    def n_examples(self) -> int:
        """The number N of all examples of the fit, at least 1."""
        return self.problem.n

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

    def stack(self, *args: Any, **options: Any) -> Any:
        """Raise: only the members of a mixture have weights (``fit(members=…)``)."""
        rule, repair = "be a mixture of fits to be stacked", "pass members=4 to fit, say"
        raise invalid("fitted", rule, f"a {type(self).__name__}", repair, TypeError)

    def resume(self, *args: Any, **options: Any) -> Any:
        """Raise: only fits by steps can go on (:meth:`pymc_bnn.Approximation.resume`)."""
        rule, repair = "be a fit by steps to go on", "resume the fit, and refine it again"
        raise invalid("fitted", rule, f"a {type(self).__name__}", repair, TypeError)

    @answers(SAMPLING)
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
            With a group "posterior": ``(chain=1, draw, *dims)`` each.

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
        draws = check_int("draws", draws, 1, None, "pass draws=1000")
        graphs = choose_names(self.problem.terms, var_names, filter_vars)
        warn_of_changed_data(self.problem.terms, "sample", list(graphs.values()))
        key, attributes = key_of(random_seed, "sample"), {"kl_weight": self.kl_weight}
        return sample(self.problem, self.posterior, graphs, draws, key, attributes)
