"""What a prediction returns, and how the draws of one are summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import arviz_base
import numpy as np
import xarray as xr

from pymc_bnn._checks import invalid
from pymc_bnn.posterior.sampling import LIMIT_BYTES

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
class ClassPrediction:
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
class ValuePrediction:
    """Predictive samples of a variable that is not categorical, or draws of a deterministic.

    Examples
    --------
    >>> ValuePrediction.__name__
    'ValuePrediction'
    """

    draws: int
    mean: np.ndarray  # (n, ...) over draws
    std: np.ndarray  # (n, ...) over draws; NaN for a single one
    samples: np.ndarray | None  # (draws, n, ...), if kept
    rows: int | None = 0  # the axis of the examples, of `mean`; None where there is none

    def __repr__(self) -> str:
        """Say what it is in a line."""
        return f"<ValuePrediction: shape {self.mean.shape}, {self.draws} draws>"


@dataclass(frozen=True)
class Prediction:
    """Predictions of a model's observed variables; made by :meth:`Approximation.predict`.

    ``prediction["y"]`` is the :class:`ClassPrediction` or :class:`ValuePrediction` of one
    variable. Where exactly one variable is categorical its fields are the prediction's own, so
    that ``uncertainty.summary(prediction, y)`` works.

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

    def _classes(self) -> ClassPrediction:
        found = [v for v in self.variables.values() if isinstance(v, ClassPrediction)]
        if len(found) != 1:
            raise AttributeError(
                f"{len(found)} of the variables {list(self.variables)} are categorical, not one; "
                "choose a variable: prediction['name']"
            )
        return found[0]

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
