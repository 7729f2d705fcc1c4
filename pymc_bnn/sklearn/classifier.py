"""Classification by a Bayesian neural network, as scikit-learn has its classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._frames import listed
from pymc_bnn._habits import answers
from pymc_bnn.sklearn.estimator import HABITS, BNNEstimator, Rows
from pymc_bnn.sklearn.models import class_model
from pymc_bnn.sklearn.sequential import HeldPrior

__all__ = ["BNNClassifier"]


class BNNClassifier(ClassifierMixin, BNNEstimator):
    """Classes whose logits are a Bayesian neural network's outputs.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int or "auto", optional
        Units of the hidden layers; "auto": one layer, with a unit for 15 rows, 5 to 15.
        Default (50,).
    activation : str or callable, optional
        Of the hidden layers; see :func:`pymc_bnn.networks.mlp`. Default "relu".
    network : callable, optional
        In place of these: a function from the numbers of inputs and outputs to a network, as
        :func:`pymc_bnn.bayesian` takes it.
    prior : Prior or mapping, optional
        Of the network's parameters. Default :func:`pymc_bnn.priors.default_prior`.
    class_weight : dict, "balanced" or None, optional
        What the log-densities of the rows of a class are multiplied by.
    guide, members, refine, steps, epochs, batch_size, kl_weight : optional
        As of :class:`BNNRegressor`.
    early_stopping, validation_fraction, n_iter_no_change : optional
        As of :class:`BNNRegressor`; rows are held out of classes in proportion.
    draws, warm_start, fit_options, verbose, random_state : optional
        As of :class:`BNNRegressor`.

    Attributes
    ----------
    classes_ : array of shape (classes,)
        Labels, sorted.
    fitted_, idata_, columns_, n_features_in_, feature_names_in_, n_iter_, validation_scores_
        As of :class:`BNNRegressor`.

    Examples
    --------
    >>> x = np.linspace(-2, 2, 60)[:, None]
    >>> names = np.where(x[:, 0] > 0, "warm", "cold")
    >>> model = BNNClassifier(steps=300, random_state=1).fit(x, names)
    >>> model.classes_.tolist(), model.predict([[1.5]]).tolist()
    (['cold', 'warm'], ['warm'])
    >>> p = model.predict_proba([[0.0], [1.5]])[:, 1]
    >>> bool(p[0] < 0.9 < p[1])
    True
    """

    _names = ("logits",)

    @answers(HABITS)
    def __init__(
        self,
        hidden_layer_sizes: Any = (50,),
        activation: Any = "relu",
        *,
        network: Any = None,
        prior: Any = None,
        class_weight: Any = None,
        guide: Any = None,
        members: int = 1,
        refine: Any = False,
        steps: int | None = None,
        epochs: int | None = None,
        batch_size: Any = "auto",
        kl_weight: Any = 1.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        draws: int = 500,
        warm_start: bool = False,
        fit_options: dict[str, Any] | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ):
        self._keep(locals())

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BNNClassifier:
        """Fit the posterior.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As of :meth:`BNNRegressor.fit`.
        y : array of shape (n,)
            Labels: numbers, strings, booleans.
        sample_weight : array of shape (n,), optional
            What each row's log-density is multiplied by; of 2 it counts as two equal rows.

        Returns
        -------
        BNNClassifier
            Itself.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNClassifier(steps=300, random_state=1).fit(x, np.where(x[:, 0] > 0, "b", "a"))
        >>> model.predict([[-1.0], [1.0]]).tolist()
        ['a', 'b']
        """
        X, y = self._read(X, y, reset=True)
        check_classification_targets(y)
        classes, labels = np.unique(y, return_inverse=True)
        rows = self._counted(X, labels, sample_weight, classes)
        _check_several(classes[np.unique(rows.y)])
        self.classes_ = classes
        return self._learn(rows, None, self._start)

    def partial_fit(
        self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None
    ) -> BNNClassifier:
        """Learn from more rows: the posterior so far, as independent Normals, is their prior.

        See :meth:`BNNRegressor.partial_fit`.

        Parameters
        ----------
        X, y, sample_weight
            As of :meth:`fit`.
        classes : array of shape (classes,), optional
            All labels there will be; needed in the first call where its rows do not have them all.

        Returns
        -------
        BNNClassifier
            Itself.

        Examples
        --------
        >>> model, x = BNNClassifier(steps=300, random_state=1), np.zeros((3, 1))
        >>> model.partial_fit(x, ["a", "b", "c"], classes=["a", "b"])
        Traceback (most recent call last):
            ...
        ValueError: `y` must hold the classes ['a', 'b'], got ['c']; name all classes in the ...
        """
        if isinstance(self.class_weight, str):
            rule, repair = "be a dict in partial_fit", "count the classes of all rows"
            raise invalid("class_weight", rule, repr(self.class_weight), repair)
        first = not self.__sklearn_is_fitted__()
        X, y = self._read(X, y, reset=first)
        check_classification_targets(y)
        known = np.unique(y if classes is None else classes) if first else self.classes_
        _check_several(known)
        unknown = np.setdiff1d(y, known)
        if len(unknown):
            rule = f"hold the classes {listed(known.tolist())}"
            raise invalid("y", rule, unknown.tolist(), "name all classes in the first call")
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        rows = self._counted(X, np.searchsorted(known, y), weights, known)
        self.classes_ = known
        return self._learn_portion(rows)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return predictive probabilities, those under each draw of the posterior averaged.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As at the fit; categories that were not there are none of them.

        Returns
        -------
        array of shape (n, classes)
            In the order of `classes_`.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNClassifier(steps=300, random_state=1).fit(x, x[:, 0] > 0)
        >>> bool(model.predict_proba([[2.0]])[0, 1] > 0.9)
        True
        """
        (p,) = self._reduced(X, lambda logits: (softmax(logits, axis=-1).mean(axis=0),))
        return p

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return logarithms of :meth:`predict_proba`, finite where it rounds to 0.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNClassifier(steps=300, random_state=1).fit(x, x[:, 0] > 0)
        >>> bool(np.allclose(np.exp(model.predict_log_proba(x)), model.predict_proba(x)))
        True
        """
        return self._reduced(X, lambda logits: (_log_mean(logits),))[0]

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNClassifier(steps=300, random_state=1).fit(x, x[:, 0] > 0)
        >>> model.predict([[2.0]]).tolist()
        [True]
        """
        most_probable = self.predict_proba(X).argmax(axis=1)
        return self.classes_[most_probable]

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> np.ndarray:
        """Draw labels, each sample of all rows with one draw of the posterior.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As of :meth:`predict_proba`.
        n_samples : int, optional
            How many.
        random_state : int, RandomState or None, optional
            Of the labels.

        Returns
        -------
        array of shape (n, n_samples)

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNClassifier(steps=300, random_state=1).fit(x, x[:, 0] > 0)
        >>> model.sample_y(x, 7).shape
        (60, 7)
        """
        check_int("n_samples", n_samples, 1, None, "pass n_samples=100")
        check_is_fitted(self)
        rng = check_random_state(random_state)
        drawn = np.resize(rng.permutation(self._draws.count), n_samples)

        def labels(logits: np.ndarray) -> tuple[np.ndarray]:
            noise = rng.gumbel(size=(n_samples, *logits.shape[1:]))
            return ((logits[drawn] + noise).argmax(axis=-1).T,)

        found = self._reduced(X, labels)[0]
        return self.classes_[found]

    def _counted(self, X: Any, labels: np.ndarray, weights: Any, classes: np.ndarray) -> Rows:
        """Return rows with their weights, those of their classes included."""
        rows = self._weighted(X, labels, weights)
        if self.class_weight is None:
            return rows
        of_class = compute_sample_weight(self.class_weight, classes[rows.y])
        own = of_class if rows.weights is None else of_class * rows.weights
        return self._weighted(rows.X, rows.y, own)

    def _target(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        return y

    def _known_target(self, y: np.ndarray) -> np.ndarray:
        return y

    def _outputs(self) -> int:
        return len(self.classes_)

    def _model(self, network: Any, x: np.ndarray, rows: Rows, before: Any) -> Any:
        prior = self.prior if before is None else HeldPrior.of(before)
        own = rows.y, rows.weights, prior, self._names_of_inputs, self.classes_.tolist()
        return class_model(network, x, *own)

    def _log_density(self, y: np.ndarray, *found: np.ndarray) -> np.ndarray:
        return _log_mean(found[0])[np.arange(len(y)), y]


def _check_several(classes: np.ndarray) -> None:
    if len(classes) < 2:
        rule, repair = "have two classes or more in rows that count", "add rows of another class"
        raise invalid("y", rule, f"one class, {classes.tolist()}", repair)


def _log_mean(logits: np.ndarray) -> np.ndarray:
    """Return the logarithm of mean probabilities, (rows, classes)."""
    return logsumexp(log_softmax(logits, axis=-1), axis=0) - np.log(len(logits))
