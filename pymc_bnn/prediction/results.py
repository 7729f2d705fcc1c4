"""What a prediction returns, and how the draws of one are summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import arviz_base
import numpy as np
import xarray as xr

from pymc_bnn._checks import invalid
from pymc_bnn.posterior.sampling import LIMIT_BYTES
from pymc_bnn.prediction.display import Shown
from pymc_bnn.uncertainty.intervals import tails

__all__ = [
    "LIMIT_BYTES",
    "ClassPrediction",
    "ClassTotal",
    "DensityTotal",
    "Prediction",
    "ValuePrediction",
    "ValueTotal",
]


@dataclass(frozen=True)
class ClassPrediction(Shown):
    """Predictions of a categorical or Bernoulli variable; what `uncertainty.summary` reads.

    Examples
    --------
    >>> ClassPrediction.__name__
    'ClassPrediction'
    """

    draws: int
    mean_probs: np.ndarray  # (n, classes) predictive probabilities
    expected_entropy: np.ndarray  # (n,) mean over draws of the entropy, nats
    label_votes: np.ndarray  # (n, classes) labels sampled, one from each draw
    class_votes: np.ndarray  # (n, classes) most probable classes, one of each draw
    probs: np.ndarray | None  # (draws, n, classes), if kept
    samples: np.ndarray | None  # (draws, n) sampled labels, if kept

    def __repr__(self) -> str:
        """Say what it is in a line."""
        n, classes = self.mean_probs.shape
        return f"<ClassPrediction: {n} examples, {classes} classes, {self.draws} draws>"


@dataclass(frozen=True)
class ValuePrediction(Shown):
    """Predictive samples of a variable that is not categorical, or draws of a deterministic.

    Examples
    --------
    >>> samples = np.arange(5.0)[:, None] * [1, 10]  # five draws of two examples
    >>> pred = ValuePrediction(5, samples.mean(axis=0), samples.std(axis=0, ddof=1), samples)
    >>> pred.interval(0.5).tolist()
    [[1.0, 3.0], [10.0, 30.0]]
    """

    draws: int
    mean: np.ndarray  # (n, ...) over draws
    std: np.ndarray  # (n, ...) over draws; NaN for a single one
    samples: np.ndarray | None  # (draws, n, ...), if kept
    rows: int | None = 0  # the axis of the examples, of `mean`; None where there is none

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return f"<ValuePrediction: shape {self.mean.shape}, {self.draws} draws>"

    def quantile(self, q: Any) -> np.ndarray:
        """Return quantiles over draws.

        Parameters
        ----------
        q : float or array_like of shape (k,)
            Probabilities in [0, 1].

        Returns
        -------
        numpy.ndarray of shape (n, ...), or (n, ..., k)
            Linearly interpolated, in the unit of the variable.

        Raises
        ------
        ValueError
            If draws were not kept, or a `q` is outside [0, 1].

        Examples
        --------
        >>> samples = np.arange(5.0)[:, None] * [1, 10]
        >>> pred = ValuePrediction(5, samples.mean(axis=0), samples.std(axis=0, ddof=1), samples)
        >>> pred.quantile(0.5).tolist(), pred.quantile([0, 1]).tolist()
        ([2.0, 20.0], [[0.0, 4.0], [0.0, 40.0]])
        """
        given = np.asarray(q, float)
        if given.ndim > 1 or not ((given >= 0) & (given <= 1)).all():
            raise invalid("q", "be numbers in [0, 1]", q, "pass [0.05, 0.5, 0.95], say")
        if self.samples is None:
            rule, got = "hold posterior draws", "one without draws"
            raise invalid("prediction", rule, got, "pass keep_draws=True to predict")
        found = np.quantile(self.samples, given, axis=0)
        return np.moveaxis(found, 0, -1) if given.ndim else found

    def interval(self, level: float = 0.9) -> np.ndarray:
        """Return equal-tailed intervals: of new observations, or credible ones of a deterministic.

        Parameters
        ----------
        level : float, optional
            Probability of the interval, in (0, 1). Default 0.9: from the 5 % to the 95 % quantile.

        Returns
        -------
        numpy.ndarray of shape (n, ..., 2)
            Lower and upper ends, in the unit of the variable.

        Raises
        ------
        ValueError
            If draws were not kept, or `level` is outside (0, 1).

        Examples
        --------
        >>> samples = np.arange(5.0)[:, None] * [1, 10]
        >>> pred = ValuePrediction(5, samples.mean(axis=0), samples.std(axis=0, ddof=1), samples)
        >>> low, high = pred.interval(0.5).T
        >>> high.tolist()
        [3.0, 30.0]
        """
        return self.quantile(tails(level))


@dataclass(frozen=True)
class Prediction(Shown):
    """Predictions of a model's observed variables; made by :meth:`Approximation.predict`.

    ``prediction["y"]`` is the :class:`ClassPrediction` or :class:`ValuePrediction` of one
    variable. Where exactly one variable is categorical its fields are the prediction's own, so
    that ``uncertainty.summary(prediction, y)`` works; where exactly one has values, so are its
    `mean`, `std`, `interval` and `quantile`.

    Examples
    --------
    >>> Prediction({}, draws=1, log_density=None).draws
    1
    """

    variables: dict[str, ClassPrediction | ValuePrediction]
    draws: int
    log_density: np.ndarray | None  # (n,) log predictive density of observed new data, nats

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return f"<Prediction: {', '.join(map(repr, self.variables))}, {self.draws} draws>"

    def __getitem__(self, name: str) -> ClassPrediction | ValuePrediction:
        """Return the prediction of one variable."""
        try:
            return self.variables[name]
        except KeyError:
            raise KeyError(f"no prediction of '{name}', only of {list(self.variables)}") from None

    def _only(self, kind: type, what: str) -> Any:
        found = [v for v in self.variables.values() if isinstance(v, kind)]
        if len(found) != 1:
            raise AttributeError(
                f"{len(found)} of the variables {list(self.variables)} {what}, not one; "
                "choose a variable: prediction['name']"
            )
        return found[0]

    def _classes(self) -> ClassPrediction:
        return self._only(ClassPrediction, "are categorical")

    def _values(self) -> ValuePrediction:
        return self._only(ValuePrediction, "have values")

    @property
    def mean_probs(self) -> np.ndarray:
        """Predictive probabilities (n, classes) of the categorical variable."""
        return self._classes().mean_probs

    @property
    def expected_entropy(self) -> np.ndarray:
        """Mean entropy over draws (n,), nats, of the categorical variable."""
        return self._classes().expected_entropy

    @property
    def label_votes(self) -> np.ndarray:
        """Counts (n, classes) of labels sampled from each draw."""
        return self._classes().label_votes

    @property
    def class_votes(self) -> np.ndarray:
        """Counts (n, classes) of each draw's most probable class."""
        return self._classes().class_votes

    @property
    def probs(self) -> np.ndarray | None:
        """Probabilities (draws, n, classes), if draws were kept."""
        return self._classes().probs

    @property
    def mean(self) -> np.ndarray:
        """Predictive mean (n, ...) of the variable that has values."""
        return self._values().mean

    @property
    def std(self) -> np.ndarray:
        """Predictive standard deviation (n, ...), noise included, of the variable with values."""
        return self._values().std

    def interval(self, level: float = 0.9) -> np.ndarray:
        """Return equal-tailed intervals of the variable with values: `ValuePrediction.interval`.

        Examples
        --------
        >>> samples = np.arange(5.0)[:, None] * [1, 10]
        >>> pred = ValuePrediction(5, samples.mean(axis=0), samples.std(axis=0, ddof=1), samples)
        >>> Prediction({"y": pred}, draws=5, log_density=None).interval(0.5).tolist()
        [[1.0, 3.0], [10.0, 30.0]]
        """
        return self._values().interval(level)

    def quantile(self, q: Any) -> np.ndarray:
        """Return quantiles of the variable with values: `ValuePrediction.quantile`.

        Examples
        --------
        >>> samples = np.arange(5.0)[:, None] * [1, 10]
        >>> pred = ValuePrediction(5, samples.mean(axis=0), samples.std(axis=0, ddof=1), samples)
        >>> Prediction({"y": pred}, draws=5, log_density=None).quantile(0.5).tolist()
        [2.0, 20.0]
        """
        return self._values().quantile(q)

    def to_datatree(self) -> xr.DataTree:
        """Return a DataTree with a group "predictions", for ArviZ.

        With draws: ``y`` (chain, draw, example, …) predictive samples, and ``y_probs``
        (chain, draw, example, class). Without: ``y_mean_probs``, or ``y_mean`` and ``y_std``.

        Examples
        --------
        >>> pred = ValuePrediction(2, np.zeros(3), np.ones(3), np.zeros((2, 3)))
        >>> tree = Prediction({"y": pred}, draws=2, log_density=None).to_datatree()
        >>> tree.predictions["y"].dims
        ('chain', 'draw', 'example')
        """
        sampled: dict[str, np.ndarray] = {}
        summed: dict[str, np.ndarray] = {}
        dims: dict[str, list[str]] = {}
        for name, v in self.variables.items():
            if isinstance(v, ClassPrediction):
                if v.probs is None:
                    summed[f"{name}_mean_probs"] = v.mean_probs
                    dims[f"{name}_mean_probs"] = ["example", "class"]
                else:
                    sampled[name], sampled[f"{name}_probs"] = v.samples[None], v.probs[None]
                    dims[f"{name}_probs"] = ["example", "class"]
                    dims[name] = ["example"]
                continue
            axes = range(v.mean.ndim)
            own = ["example" if i == v.rows else f"{name}_dim_{i}" for i in axes]
            parts = {f"{name}_mean": v.mean, f"{name}_std": v.std}
            if v.samples is None:
                summed |= parts
                dims |= dict.fromkeys(parts, own)
            else:
                sampled[name] = v.samples[None]
                dims[name] = own
        dataset = xr.merge(
            [
                arviz_base.dict_to_dataset(sampled, dims={k: dims[k] for k in sampled}),
                arviz_base.dict_to_dataset(
                    summed, dims={k: dims[k] for k in summed}, sample_dims=[]
                ),
            ],
            combine_attrs="override",
        )
        return xr.DataTree.from_dict({"predictions": dataset})


class ClassTotal:
    """Sums over draws of a categorical variable's predictions."""

    def add(
        self,
        draw: int,
        draws: int,
        keep: bool,
        probs: np.ndarray,
        label: np.ndarray,
        top: np.ndarray,
        entropy: np.ndarray,
    ) -> None:
        """Add a draw: probabilities (n, classes), sampled and most probable labels, entropies."""
        n, k = probs.shape
        if draw == 0:
            _check_size("draws", draws * n * (k * probs.itemsize + 8) if keep else 0)
            self.probs = np.zeros((draws, n, k), probs.dtype) if keep else None
            self.samples = np.zeros((draws, n), np.int64) if keep else None
            self.mean, self.entropy = np.zeros((n, k)), np.zeros(n)
            self.label_votes = np.zeros((n, k), np.int64)
            self.class_votes = np.zeros((n, k), np.int64)
        rows = np.arange(n)
        self.mean += probs
        self.entropy += entropy
        self.label_votes[rows, label] += 1
        self.class_votes[rows, top] += 1
        if keep:
            self.probs[draw], self.samples[draw] = probs, label

    def result(self, draws: int) -> ClassPrediction:
        """Return the summary of all draws."""
        return ClassPrediction(
            draws,
            self.mean / draws,
            self.entropy / draws,
            self.label_votes,
            self.class_votes,
            self.probs,
            self.samples,
        )


class ValueTotal:
    """Running mean and variance over draws (Welford), and the draws themselves if kept."""

    def __init__(self, length: int | None = None, rows: int | None = 0):
        self.length, self.rows = length, rows

    def add(self, draw: int, draws: int, keep: bool, value: np.ndarray) -> None:
        """Add a draw's values (n, ...)."""
        value = np.asarray(value)
        if draw == 0:
            _check_size("draws", draws * value.nbytes if keep else 0)
            self.samples = np.zeros((draws, *value.shape), value.dtype) if keep else None
            self.mean, self.squares = np.zeros(value.shape), np.zeros(value.shape)
        delta = value - self.mean
        self.mean = self.mean + delta / (draw + 1)
        self.squares = self.squares + delta * (value - self.mean)
        if keep:
            self.samples[draw] = value

    def result(self, draws: int) -> ValuePrediction:
        """Return the summary of all draws."""
        one = np.full(self.mean.shape, np.nan)  # a single draw has no spread
        std = np.sqrt(self.squares / (draws - 1)) if draws > 1 else one
        rows = self.rows
        if self.length is not None:  # the examples' axis is known by its length alone
            shape = self.mean.shape
            rows = shape.index(self.length) if shape.count(self.length) == 1 else None
        return ValuePrediction(draws, self.mean, std, self.samples, rows)


class DensityTotal:
    """Logarithm of the mean over draws of a density."""

    def __init__(self) -> None:
        self.log_sum: Any = -np.inf

    def add(self, log_density: np.ndarray) -> None:
        """Add a draw's log-densities (n,)."""
        self.log_sum = np.logaddexp(self.log_sum, np.asarray(log_density, float))

    def result(self, draws: int) -> np.ndarray:
        """Return the log-density of the mean (n,)."""
        return self.log_sum - np.log(draws)


def _check_size(argument: str, size: int) -> None:
    if size > LIMIT_BYTES:
        raise invalid(
            argument,
            "need no more than 2 GiB of memory",
            f"{size / 2**30:.1f} GiB of kept draws",
            "pass keep_draws=False, which keeps summaries, or fewer draws",
        )
