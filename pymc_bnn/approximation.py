"""What a fit returns: a posterior to inspect, sample from and predict with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import arviz_base
import cloudpickle
import jax
import numpy as np
import pandas as pd
import xarray as xr
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.data.epochs import EpochPlan, StreamPlan
from pymc_bnn.data.streams import STALL_S
from pymc_bnn.diagnostics.full_elbo import evaluate_elbo, evaluate_kl
from pymc_bnn.diagnostics.summary import history_frame, summary
from pymc_bnn.elbo import Elbo
from pymc_bnn.guides import JointGuide
from pymc_bnn.inference.start import prior_scales
from pymc_bnn.model.decompose import ModelTerms
from pymc_bnn.posterior.constrained import constrain, moments
from pymc_bnn.prediction import LIMIT_BYTES, Prediction, requests
from pymc_bnn.prediction.predictor import Predictor
from pymc_bnn.prediction.requests import check_prediction, warn_of_changed_data
from pymc_bnn.prediction.store import write_predictions
from pymc_bnn.runtime.noise import key_of, seed_of
from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.sharding import mesh_of

__all__ = ["Approximation"]


@dataclass(frozen=True)
class Approximation:
    """An approximate posterior of a model; made by :func:`pymc_bnn.fit`.

    Attributes
    ----------
    params : dict
        Parameters of the guides, unconstrained: ``{block: {role: array}}``, where a block is a free
        variable (mean-field: loc and log_scale), or the pattern of a joint guide.
    history : pandas.DataFrame
        One row per step.
    kl_weight : float
        The weight of the KL at the last step; below 1 this is a cold posterior.
    interrupted : bool
        Whether Ctrl-C ended the fit before its last step.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> fitted.sample(100, random_seed=1).posterior["mu"].shape
    (1, 100)
    """

    terms: ModelTerms
    row_terms: ModelTerms | None  # by rows, for predictions; None if it cannot be
    posterior: JointGuide
    elbo_parts: Elbo
    params: dict[str, dict[str, np.ndarray]]
    trace: np.ndarray  # (steps, 3) negative log-likelihood, KL, −log prior of points; nats
    batches: EpochPlan | StreamPlan | None
    kl_weights: Callable[[Any], np.ndarray]  # the KL's weight at each step
    dtype: str
    predictors: dict[Any, Predictor] = field(default_factory=dict, repr=False)  # of the whole fit
    interrupted: bool = False

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return (
            f"<Approximation: {len(self.terms.free)} variables, {self.n_parameters:,} numbers, "
            f"{len(self.trace):,} steps, kl_weight={self.kl_weight:g}>"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave compiled predictors out of copies and pickles (``cloudpickle``'s)."""
        return {**self.__dict__, "predictors": {}}

    def __deepcopy__(self, memo: dict[int, Any]) -> Approximation:
        """Return a copy with a model of its own: graphs are copied as a whole or not at all."""
        return cloudpickle.loads(cloudpickle.dumps(self))

    @property
    def n_parameters(self) -> int:
        """Number of unconstrained numbers of the model's free variables."""
        return sum(f.start.size for f in self.terms.free)

    @property
    def kl_weight(self) -> float:
        """The weight of the KL at the last step."""
        return float(self.kl_weights(max(len(self.trace) - 1, 0)))

    @property
    def points(self) -> tuple[str, ...]:
        """Free variables that have a point instead of a distribution."""
        blocks = self.posterior.blocks
        return tuple(f.name for b in blocks if b.guide.point for f in b.variables)

    @property
    def objective(self) -> str:
        """What the fit maximised, and what its columns are called: "elbo" or "objective".

        With points (:class:`pymc_bnn.guides.Delta`) the sum is no bound on the evidence, and with
        dropout the fit maximises another function than the model's ELBO: neither is called ELBO,
        and neither may be ranked against one.
        """
        return "objective" if self.points or self.elbo_parts.dropout else "elbo"

    @cached_property
    def history(self) -> pd.DataFrame:
        """Estimates per step, of the full data and with an unweighted KL, in nats.

        Columns: epoch, elbo (= −nll − kl), nll, kl; the index counts steps from 1. With points:
        objective (= −nll − kl + log_prior) instead of elbo, and log_prior, of the points; with
        dropout the same, without log_prior. With a schedule of the KL's weight: kl_weight.
        """
        return history_frame(
            self.trace,
            self.objective,
            self.kl_weights,
            self.batches.per_epoch if self.batches else 1,
            points=bool(self.points),
            dropout=bool(self.elbo_parts.dropout),
        )

    @property
    def streamed(self) -> bool:
        """Whether the fit's data came in batches from outside, and the model has a sample only."""
        return isinstance(self.batches, StreamPlan)

    @property
    def n_examples(self) -> int:
        """The number N of all examples of the fit, at least 1."""
        return self.batches.n if self.streamed else self.terms.n_observed

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
        warn_of_changed_data(self.terms, self.objective, rows=not self.streamed)
        return evaluate_elbo(self, draws, data, batch_size, seed_of(random_seed))

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
        return evaluate_kl(self, draws, seed_of(random_seed))

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
        return summary(self)

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
        prior, (_, stds) = self.prior_scales, self.unconstrained
        ratios = {
            name: np.nan if name in self.points else float(np.median(std / prior[name]))
            for name, std in stds.items()
        }
        return pd.Series(ratios, name="scale_ratio").rename_axis("variable")

    @cached_property
    def prior_scales(self) -> dict[str, np.ndarray]:
        """Prior standard deviations in the unconstrained space, broadcastable to the variables."""
        with precision(self.dtype):
            return prior_scales(self.terms, self._locs, self.dtype)

    @cached_property
    def unconstrained(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Means and standard deviations in the unconstrained space."""
        with precision(self.dtype):
            return self.posterior.moments(self.params)

    @cached_property
    def unconstrained_start(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """The same before the first step."""
        with precision(self.dtype):
            return self.posterior.moments({b.name: b.params for b in self.posterior.blocks})

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
        """Mean and standard deviation of each free variable.

        Exact without a transform, by Gauss–Hermite quadrature with one that works element by
        element, and from 4,000 draws otherwise.
        """
        with precision(self.dtype):
            means, stds = moments(self)
        return self._dataset(means), self._dataset(stds)

    @property
    def _locs(self) -> dict[str, np.ndarray]:
        return self.unconstrained[0]

    def _dataset(self, values: Mapping[str, np.ndarray]) -> xr.Dataset:
        return arviz_base.dict_to_dataset(
            {name: np.asarray(v) for name, v in values.items()},
            sample_dims=[],
            **self._labels(values),
        )

    def _labels(self, names: Any) -> dict[str, Any]:
        dims = {name: list(self.terms.dims[name]) for name in names if name in self.terms.dims}
        used = {d for names in dims.values() for d in names}
        coords = {d: c for d, c in self.terms.coords.items() if d in used}
        return {"dims": dims, "coords": coords}

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
        expressions = {f.name: f.constrained for f in self.terms.free}
        row_inputs = {d.variable for d in self.terms.data if d.per_example}
        available = {**expressions, **self.terms.deterministics}
        names = [name for name, e in available.items() if not row_inputs & set(ancestors([e]))]
        if var_names is not None:
            selected = arviz_base.utils._var_names(
                [var_names] if isinstance(var_names, str) else list(var_names),
                xr.Dataset(dict.fromkeys(available, 0)),
                filter_vars,
            )
            names = list(selected)
            if not names:
                raise invalid(
                    "var_names", "match some variable", var_names, f"choose from {list(available)}"
                )
        warn_of_changed_data(self.terms, "sample", [available[name] for name in names])
        key = key_of(random_seed, "sample")
        with precision(self.dtype):
            function = constrain(self.terms, [available[name] for name in names], self.dtype)
            itemsize = np.dtype(self.dtype).itemsize
            first = zip(names, function(self._locs), strict=True)
            sizes = {name: v.size * itemsize * draws for name, v in first}
            if sum(sizes.values()) > LIMIT_BYTES:
                largest = max(sizes, key=sizes.get)
                raise invalid(
                    "draws",
                    "need no more than 2 GiB of memory",
                    f"{draws} draws of {len(names)} variables, {sum(sizes.values()) / 2**30:.1f} "
                    f"GiB (most of it '{largest}')",
                    "choose fewer draws, or variables by var_names=",
                )
            drawn = [function(self._draw(jax.random.fold_in(key, i))) for i in range(draws)]
            values = {
                name: np.stack([np.asarray(d[i]) for d in drawn])[None]
                for i, name in enumerate(names)
            }
        return arviz_base.from_dict(
            {"posterior": values},
            **self._labels(names),
            attrs={"posterior": {"inference_library": "pymc_bnn", "kl_weight": self.kl_weight}},
        )

    def _draw(self, key: jax.Array) -> dict[str, Any]:
        """Draw every free variable once, unconstrained."""
        return self.posterior.draw_from(self.params, key)

    def predict(
        self,
        new_data: Mapping[str, Any] | None = None,
        draws: int = 100,
        *,
        batch_size: int = 256,
        at: str = "draws",
        keep_draws: bool = True,
        var_names: str | Sequence[str] = (),
        mc_dropout: bool = False,
        random_seed: Any = None,
        devices: str | int | Sequence[Any] | None = None,
    ) -> Prediction:
        """Predict, streaming over examples and posterior draws.

        Parameters
        ----------
        new_data : mapping from str to array_like, optional
            New values of the model's data, by name; by default those that the model holds now (of
            a streamed fit: its sample). With observed variables log-densities come back, too.
            Columns of a DataFrame are put in order by name where the names are known: from a frame
            given to `bayesian` or yielded by `data`, or from the coords of the second dim.
            ``pm.Data("x", frame)`` without dims keeps an array: there positions count.
        draws : int, optional
            Posterior draws.
        batch_size : int, optional
            Examples at once; bounds the memory and does not change the numbers beyond rounding.
        at : {"draws", "mean"}, optional
            "mean" predicts with every weight at its posterior mean (of the unconstrained space):
            once, or `draws` times where an observed variable's samples vary all the same.
        keep_draws : bool, optional
            False keeps sums over draws only, so that memory does not grow with `draws`.
        var_names : sequence of str, optional
            Deterministics to return as well; those that look across rows are evaluated whole.
        mc_dropout : bool, optional
            Keep the dropout of the network, with a mask of its own for each example and draw ("MC
            dropout", Gal and Ghahramani 2016). By default it is absent in predictions.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.
        devices : "all", int or sequence of jax.Device, optional
            Split the rows of each batch over several devices, as in :func:`pymc_bnn.fit`.

        Returns
        -------
        Prediction
            See there.

        Raises
        ------
        ValueError
            For unknown names, missing data, wrong shapes, NaN, other columns, labels or indices out
            of range, or draws of more than 2 GiB.
        TypeError
            For data that are not numbers; the error names the columns.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.arange(9.0))
        ...     y = pm.Normal("y", pm.Normal("b") * x, 1, observed=np.arange(9.0))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> pred = fitted.predict({"x": [10.0, 20.0]}, draws=50, random_seed=1)
        >>> pred["y"].samples.shape
        (50, 2)
        """
        check_prediction(draws, batch_size, at)
        mesh = mesh_of(devices)
        predictor = self._predictor(new_data, var_names, mc_dropout)
        requests.warn_of_one_draw(draws, predictor.has_values)
        return self.predict_with(predictor, draws, batch_size, at, keep_draws, random_seed, mesh)

    def _predictor(
        self,
        new_data: Mapping[str, Any] | None,
        var_names: str | Sequence[str] | None = (),
        mc_dropout: bool = False,
    ) -> Predictor:
        """Return a compiled predictor; the same data and deterministics compile but once."""
        names = var_names if isinstance(var_names, str | None) else tuple(var_names)
        key = requests.Request.of(self.row_terms or self.terms, new_data).key, names, mc_dropout
        if key in self.predictors:
            return self.predictors[key].with_data(new_data)
        predictor = Predictor(self, new_data, var_names, mc_dropout)
        self.predictors[key] = predictor.without_data()
        return predictor

    def predict_with(
        self,
        predictor: Predictor,
        draws: int,
        batch_size: int = 256,
        at: str = "draws",
        keep_draws: bool = True,
        random_seed: Any = None,
        mesh: Any = None,
        first: int = 0,
        padded: int = 0,
    ) -> Prediction:
        """Predict as :meth:`predict` does, with a predictor that is compiled once and used often.

        Of a part of the data `first` is the number of its first example, which its random numbers
        depend on; batches are padded to at least `padded` rows, so that parts of other sizes
        compile nothing.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
        >>> fitted = bnn.fit(model, steps=100, random_seed=1, progressbar=False)
        >>> predictor = Predictor(fitted, {"y": np.zeros(3)})
        >>> fitted.predict_with(predictor, draws=5, random_seed=1).log_density.shape
        (3,)
        """
        key = key_of(random_seed, "predict")
        # With fixed weights class probabilities do not vary; samples of other variables do.
        count = draws if at == "draws" or predictor.others or predictor.with_masks else 1

        def weights(i: int) -> dict[str, Any]:
            if at == "mean":
                return self._locs
            return self._draw(jax.random.fold_in(jax.random.fold_in(key, 0), i))

        fixed = at == "mean" or len(self.points) == len(self.terms.free)
        with precision(self.dtype):
            return predictor.run(
                weights, count, batch_size, keep_draws, key, fixed, mesh, first, padded
            )

    def predict_to(
        self,
        store: Any,
        batches: Iterable[Any],
        draws: int = 100,
        *,
        batch_size: int = 256,
        at: str = "draws",
        keep_draws: bool = False,
        var_names: str | Sequence[str] = (),
        mc_dropout: bool = False,
        random_seed: Any = None,
        stall_timeout: float = STALL_S,
        progressbar: bool = True,
    ) -> xr.Dataset:
        """Predict batches of new data, and write the predictions to a Zarr store as they come.

        For more examples than memory holds: neither data nor predictions are ever there as a
        whole. Class probabilities and votes are those that :meth:`predict` gives for all examples
        at once, with the same seed; samples of other variables are other ones from the same
        distribution, from the second batch on.

        Parameters
        ----------
        store : path or Zarr store
            A folder that does not exist yet.
        batches : iterable
            Of batches of new data: each maps names to arrays, as `new_data` of :meth:`predict`, or
            is a tuple in the order of `fit`'s batches, whose last names may be left out. Observed
            variables among them give log-densities, too. All batches have the same names.
        draws, at, var_names, mc_dropout, random_seed
            As in :meth:`predict`; `var_names` must vary per example.
        batch_size : int, optional
            Examples on the device at once; larger batches are taken apart.
        keep_draws : bool, optional
            Write each draw as well.
        stall_timeout : float, optional
            Seconds after which an iterable that yields nothing is an error.
        progressbar : bool, optional
            Show how many examples are written.

        Returns
        -------
        xarray.Dataset
            The store, read when used. Of a class variable "y": y_mean_probs and y_expected_entropy
            (nats), y_label_votes, y_class_votes; with draws y_probs and y. Of another: y_mean,
            y_std; with draws y. With observed data: log_density. Its attribute `complete` is 1 once
            all is there.

        Raises
        ------
        ValueError, TypeError
            For a bad argument, or a bad batch.
        StreamError
            When `batches` fails or stalls. Whatever the error, examples written before can be read
            (``xarray.open_zarr(store, consolidated=False)``); its `written` and a note say how many
            there are.

        Examples
        --------
        >>> import tempfile
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.arange(9.0))
        ...     y = pm.Normal("y", pm.Normal("b") * x, 1, observed=np.arange(9.0))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> batches = ({"x": np.arange(i, i + 5.0)} for i in range(0, 20, 5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = fitted.predict_to(f"{folder}/pred.zarr", batches, 50, progressbar=False)
        ...     dict(found.sizes)
        {'example': 20}
        """
        check_prediction(draws, batch_size, at)
        return write_predictions(
            self,
            store,
            batches,
            draws,
            batch_size,
            at,
            keep_draws,
            var_names,
            mc_dropout,
            seed_of(random_seed),
            stall_timeout,
            progressbar,
        )

    def nll(self, new_data: Mapping[str, Any], draws: int = 100, *, random_seed: Any = 0) -> float:
        """Return the negative log predictive density per example of observed new data, in nats.

        Examples
        --------
        >>> import pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=1000, random_seed=1, progressbar=False)
        >>> 0.9 < fitted.nll({"y": np.zeros(5)}) < 0.95
        True
        """
        check_int("draws", draws, 1, None, "pass draws=100")
        predictor = self._predictor(new_data, None)
        predictor.need_density()
        return predictor.mean_nll(
            self.predict_with(predictor, draws, keep_draws=False, random_seed=random_seed)
        )
