"""What both estimators share: from a table to a model, ``fit``, and draws to predict with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from inspect import signature
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
import xarray as xr
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    check_random_state,
    check_X_y,
    validate_data,
)

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.approximation import Approximation
from pymc_bnn.fitting import fit
from pymc_bnn.inference.convergence import Convergence
from pymc_bnn.networks import mlp
from pymc_bnn.refined import Refined
from pymc_bnn.sklearn.columns import Columns, as_pandas, has_categories
from pymc_bnn.sklearn.draws import SharedDraws
from pymc_bnn.sklearn.stopping import StopOnScore
from pymc_bnn.sklearn.threads import limit_threads

__all__ = ["HABITS", "BNNEstimator", "Rows"]

HABITS = {  # of scikit-learn's other models
    "max_iter": "pass steps=, epochs=, or none to fit until the ELBO has settled",
    "alpha": "pass prior=priors.Normal(0, 0.5), say",
    "learning_rate learning_rate_init": 'pass fit_options={"learning_rate": 0.01}, say',
    "solver optimizer": 'pass fit_options={"optimizer": optax.adam(0.01)}, say',
    "n_estimators": "pass members=, the number of fits",
    "tol": "early_stopping=True and n_iter_no_change= end a fit, or steps=",
    "n_jobs": "BLAS and XLA use all cores as it is",
    "random_seed seed": "pass random_state=",
    "hidden_layers hidden_sizes": "pass hidden_layer_sizes=(50,), say",
}

_LOOKS = 40  # at held-out rows, of a fit of a given length
_BETWEEN_LOOKS = 250  # steps, of any other
_SCORE_DRAWS = 50  # at each
_ROWS_PER_UNIT, _UNITS = 15, (5, 15)  # of hidden_layer_sizes="auto"


class Rows(NamedTuple):
    """Rows of a table with their targets and weights; without weights all count once.

    Examples
    --------
    >>> Rows(np.zeros((3, 2)), np.arange(3), None).at(np.array([0, 2])).y.tolist()
    [0, 2]
    """

    X: Any  # a table
    y: np.ndarray  # numbers, or labels counted from 0
    weights: np.ndarray | None

    def at(self, index: np.ndarray) -> Rows:
        """Return some of the rows."""
        X = self.X.iloc[index] if hasattr(self.X, "iloc") else self.X[index]
        return Rows(X, self.y[index], None if self.weights is None else self.weights[index])


class BNNEstimator(BaseEstimator):
    """Base of the two estimators; parameters are described there.

    Examples
    --------
    >>> from pymc_bnn.sklearn import BNNRegressor
    >>> isinstance(BNNRegressor(), BNNEstimator)
    True
    """

    _names: tuple[str, ...]  # deterministics that predictions are made of

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep the arguments of ``__init__`` as they are; scikit-learn wants each in its place."""
        vars(self).update({name: value for name, value in given.items() if name != "self"})

    @abstractmethod
    def _target(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """Learn what has to be known of the targets; return what the likelihood gets."""

    @abstractmethod
    def _known_target(self, y: np.ndarray) -> np.ndarray:
        """Return the same for other targets."""

    @abstractmethod
    def _outputs(self) -> int:
        """Return how many outputs the network has."""

    @abstractmethod
    def _model(self, network: Any, x: np.ndarray, rows: Rows, before: Any) -> pm.Model:
        """Return the model; `before` is the fit whose posterior is the prior, if there is one."""

    @abstractmethod
    def _log_density(self, y: np.ndarray, *found: np.ndarray) -> np.ndarray:
        """Return the log-density of each target, given the deterministics under each draw."""

    def _learn(self, rows: Rows, before: Approximation | None, start: Any) -> Any:
        """Fit rows: afresh, from a fit as `start`, or with the one `before` as the prior."""
        self._check_options()
        if isinstance(self.kl_weight, str) and rows.weights is not None:
            rule = "be a number where rows have weights, as in partial_fit"
            raise invalid("kl_weight", rule, repr(self.kl_weight), "pass kl_weight=1, say")
        limit_threads()
        if before is None:  # what is learned below belongs to no answer of before
            vars(self).pop("_draws", None)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        held_out = None
        if self.early_stopping:
            rows, held_out = self._split(rows, seed)
        if before is None:
            self.columns_ = Columns.of(rows.X, rows.weights)
            target = self._target(rows.y, rows.weights)
        else:
            target = self._known_target(rows.y)
        x = self.columns_.encoded(rows.X)
        going_on = before is not None or start is not None
        if not (going_on and isinstance(self.hidden_layer_sizes, str)):  # else the width stays
            self._hidden = self._hidden_layers(len(x))
        network = self._network(x.shape[1], self._outputs())
        model = self._model(network, x, rows._replace(y=target), before)
        options = self._options(len(x), seed, before if before is not None else start)
        stop = None
        if held_out is not None:
            stop = self._stopping(held_out, seed, options)
            options["callbacks"] = [*options.get("callbacks", ()), stop]
        fitted = fit(model, **options)
        if stop is not None and stop.best:
            fitted, self.validation_scores_ = stop.result(), stop.scores
        self._approximation = self.fitted_ = fitted
        self.n_iter_ = fitted.record.steps
        if self.refine:
            own = self.refine if isinstance(self.refine, Mapping) else {}
            own = {"random_seed": seed, "progressbar": bool(self.verbose), **own}
            self.fitted_ = fitted.refine(**own)
        self._seed = seed
        self._draws = SharedDraws(self.fitted_, self._names, self.draws, seed)
        return self

    def _learn_portion(self, rows: Rows) -> Any:
        """Fit more rows, with what is known already as the prior."""
        if self.members != 1 or self.refine:
            rule, got = "be 1, and `refine` off, in partial_fit", self.members
            raise invalid("members", rule, got, "fit all rows at once by fit")
        before = self._approximation if self.__sklearn_is_fitted__() else None
        return self._learn(rows, before, None)

    def __sklearn_is_fitted__(self) -> bool:
        """Return whether the last fit was done."""
        return hasattr(self, "_draws")

    @property
    def _start(self) -> Approximation | None:
        """The fit to start from."""
        return getattr(self, "_approximation", None) if self.warm_start else None

    @property
    def _names_of_inputs(self) -> list[str] | None:
        """What the network's inputs are called, where the table's columns have names."""
        named = getattr(self, "feature_names_in_", None)
        return None if named is None else self.columns_.names(named)

    def _options(self, n_rows: int, seed: int, start: Any) -> dict[str, Any]:
        """Return the arguments of :func:`pymc_bnn.fit`."""
        names = "steps", "epochs", "batch_size", "guide", "members", "kl_weight"
        own = {name: getattr(self, name) for name in names}
        if isinstance(own["batch_size"], Integral):  # folds and portions may be smaller
            own["batch_size"] = min(own["batch_size"], n_rows)
        own |= {"random_seed": seed, "progressbar": bool(self.verbose), "start": start}
        return {**own, **(self.fit_options or {})}

    def _hidden_layers(self, n_rows: int) -> tuple[int, ...]:
        hidden = self.hidden_layer_sizes
        if isinstance(hidden, str):
            return (int(np.clip(n_rows // _ROWS_PER_UNIT, *_UNITS)),)
        return (hidden,) if np.ndim(hidden) == 0 else tuple(hidden)

    def _network(self, n_in: int, n_out: int) -> Any:
        if self.network is None:
            return mlp((n_in, *self._hidden, n_out), activation=self.activation)
        if not _takes_two(self.network):
            rule = "be a function from (inputs, outputs) to a network"
            repair = "pass lambda n, k: bnn.networks.mlp((n, 50, k)), say"
            raise invalid("network", rule, repr(self.network), repair, TypeError)
        return self.network(n_in, n_out)

    def _check_options(self) -> None:
        check_int("draws", self.draws, 2, None, "pass draws=500")
        hidden = self.hidden_layer_sizes
        if isinstance(hidden, str) and hidden != "auto":
            rule, repair = 'be a tuple of integers or "auto"', "pass (50, 50), say"
            raise invalid("hidden_layer_sizes", rule, repr(hidden), repair)
        share = self.validation_fraction
        if not 0 < share < 1:
            raise invalid("validation_fraction", "be in (0, 1)", share, "pass 0.1, say")
        check_int("n_iter_no_change", self.n_iter_no_change, 1, None, "pass 10, say")

    # Rows ----------------------------------------------------------------------------------------

    def _read(self, X: Any, y: Any, *, reset: bool, **of_y: Any) -> tuple[Any, np.ndarray]:
        """Check rows to learn from."""
        X = as_pandas(X)
        if not has_categories(X):
            return validate_data(
                self, X, y, reset=reset, dtype=np.float64, ensure_min_samples=2, **of_y
            )
        X, y = validate_data(self, X, y, reset=reset, skip_check_array=True)
        places = np.zeros((len(X), 1))
        return X, check_X_y(places, y, estimator=self, ensure_min_samples=2, **of_y)[1]

    def _inputs(self, X: Any) -> np.ndarray:
        """Check rows to predict, and return what the network gets."""
        check_is_fitted(self)
        limit_threads()
        X = as_pandas(X)
        if self.columns_.categories is None:
            X = validate_data(self, X, reset=False, dtype=np.float64)
        else:
            X = validate_data(self, X, reset=False, skip_check_array=True)
        return self.columns_.encoded(X)

    def _weighted(self, X: Any, y: np.ndarray, weights: np.ndarray | None) -> Rows:
        """Return the rows that count."""
        if weights is None:
            return Rows(X, y, None)
        weights = _check_sample_weight(
            weights, np.zeros((len(y), 1)), dtype=np.float64, ensure_non_negative=True
        )
        return Rows(X, y, weights).at(np.flatnonzero(weights > 0))

    def _split(self, rows: Rows, seed: int) -> tuple[Rows, Rows]:
        """Return rows to fit, and rows held out; of classes in proportion."""
        of_classes = rows.y if hasattr(self, "classes_") else None
        if of_classes is not None and np.bincount(of_classes)[np.unique(of_classes)].min() < 2:
            of_classes = None
        parts = train_test_split(
            np.arange(len(rows.y)),
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=of_classes,
        )
        return rows.at(np.sort(parts[0])), rows.at(np.sort(parts[1]))

    def _stopping(self, held_out: Rows, seed: int, options: dict[str, Any]) -> StopOnScore:
        """Return what ends the fit, and have it asked."""
        steps = options["steps"]
        given = steps is not None or options["epochs"] is not None
        options.setdefault("chunk_steps", max(1, steps // _LOOKS) if steps else _BETWEEN_LOOKS)
        warmup = options.get("kl_warmup", "auto")
        if warmup == "auto":
            warmup = 0 if given or options["start"] is not None else Convergence().warmup
        x, y = self.columns_.encoded(held_out.X), self._known_target(held_out.y)

        def score(fitted: Approximation) -> float:
            draws = SharedDraws(fitted, self._names, _SCORE_DRAWS, seed)
            return float(np.average(self._each(draws, x, y), weights=held_out.weights))

        return StopOnScore(score, self.n_iter_no_change, warmup)

    def _each(self, draws: SharedDraws, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the log-density of each target."""
        found = []
        for place, parts in draws.blocks(x):
            own = y[place]
            found.append(self._log_density(own, *(part[:, : len(own)] for part in parts)))
        return np.concatenate(found)

    # Answers -------------------------------------------------------------------------------------

    def _reduced(self, X: Any, function: Callable[..., Any]) -> tuple[np.ndarray, ...]:
        """Return what a function makes of the deterministics under each draw, rows first."""
        x = self._inputs(X)
        return self._draws.reduced(x, function)

    @property
    def idata_(self) -> xr.DataTree:
        """Posterior draws as ArviZ takes them: `draws` of each member, or all that NUTS kept."""
        check_is_fitted(self)
        if isinstance(self.fitted_, Refined):
            return self.fitted_.sample()
        return self.fitted_.sample(self.draws, random_seed=self._seed)


def _takes_two(network: Any) -> bool:
    """Whether it can be called with two numbers; a network itself takes a tensor."""
    try:
        signature(network).bind(1, 1)
    except (TypeError, ValueError):
        return False
    return True
