"""Regression by a Bayesian neural network, as scikit-learn has its regressors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._habits import answers
from pymc_bnn.bayesian_network import Scale
from pymc_bnn.priors import HalfNormal, Normal
from pymc_bnn.sklearn import normal_mixtures
from pymc_bnn.sklearn.estimator import HABITS, BNNEstimator, Rows
from pymc_bnn.sklearn.models import normal_model
from pymc_bnn.sklearn.sequential import HeldPrior, log_moments

__all__ = ["BNNRegressor"]


class BNNRegressor(RegressorMixin, BNNEstimator):
    """Normal targets whose mean, and noise, are a Bayesian neural network's outputs.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int or "auto", optional
        Units of the hidden layers. Default "auto": one layer, with a unit for 15 rows, 5 to 15.
    activation : str or callable, optional
        Of the hidden layers; see :func:`pymc_bnn.networks.mlp`. Default "tanh".
    network : callable, optional
        In place of these: a function from the numbers of inputs (columns after categories were
        encoded) and outputs to a network, as :func:`pymc_bnn.bayesian` takes it.
    prior : Prior or mapping, optional
        Of the network's parameters. Default Normal with a HalfNormal(1) scale for each layer.
    noise : {"input", "constant"}, optional
        Whether the noise depends on the input, or is one number for each target. Default "input".
    guide, members, steps, epochs, batch_size, kl_weight : optional
        As of :func:`pymc_bnn.fit`, whose recipe this is: without `steps` and `epochs` it goes on
        until the ELBO has stopped rising.
    refine : bool or dict, optional
        Sample by NUTS from where the fit ended (:meth:`pymc_bnn.Approximation.refine`, with these
        options). Default False.
    early_stopping : bool, optional
        Hold `validation_fraction` of the rows out, stop once their log-density has not risen for
        `n_iter_no_change` looks, and keep the best fit of all looks. Default False: `fit` knows
        when to end, and posteriors do not overfit as points do.
    validation_fraction, n_iter_no_change : float, int, optional
        See `early_stopping`. Default 0.1 and 10.
    draws : int, optional
        Posterior draws that predictions are made of. Default 500.
    warm_start : bool, optional
        Start `fit` from the posterior of the one before. Default False.
    fit_options : dict, optional
        More arguments of :func:`pymc_bnn.fit`, such as ``{"learning_rate": 0.02}``.
    verbose : bool, optional
        Show progress. Default False.
    random_state : int, RandomState or None, optional
        Of starts, steps, held-out rows and the draws.

    Attributes
    ----------
    fitted_ : Approximation, Mixture or Refined
        The posterior underneath, of data in units of their deviations: log-densities of a target
        in its own units are lower by the log of its standard deviation.
    idata_ : xarray.DataTree
        Draws of it, for ArviZ.
    scale_ : pymc_bnn.Scale
        Mean and standard deviation of the targets.
    columns_ : Columns
        How columns are encoded.
    n_features_in_, feature_names_in_ : int, array of str
        Columns of `X`.
    n_iter_ : int
        Steps made.
    validation_scores_ : list of list of float
        With `early_stopping`: mean log-densities of rows held out, look by look, of each member.

    Examples
    --------
    >>> x, rng = np.linspace(-2, 2, 60)[:, None], np.random.default_rng(0)
    >>> y = 50 + 20 * x[:, 0] + rng.normal(0, 1 + 5 * (x[:, 0] > 0))  # noisier on the right
    >>> model = BNNRegressor(steps=800, random_state=1).fit(x, y)
    >>> mean, std = model.predict([[-1.0], [1.0]], return_std=True)
    >>> bool(abs(mean - [30, 70]).max() < 5), bool(std[1] > 2 * std[0])
    (True, True)
    >>> low, high = model.predict_interval(x, level=0.9).T
    >>> bool(0.8 < ((low < y) & (y < high)).mean())
    True
    """

    _names = ("mu", "sigma")

    @answers(HABITS)
    def __init__(
        self,
        hidden_layer_sizes: Any = "auto",
        activation: Any = "tanh",
        *,
        network: Any = None,
        prior: Any = None,
        noise: str = "input",
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

    def __sklearn_tags__(self) -> Any:
        """Say that there may be several targets."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> BNNRegressor:
        """Fit the posterior.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            Numbers are standardised; columns of a DataFrame that hold none become one of 0 and 1
            for each category.
        y : array of shape (n,) or (n, targets)
            Numbers.
        sample_weight : array of shape (n,), optional
            What each row's log-density is multiplied by; of 2 it counts as two equal rows.

        Returns
        -------
        BNNRegressor
            Itself.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNRegressor(steps=300, random_state=1).fit(x, 1000 * x[:, 0])
        >>> bool(abs(model.predict([[1.0]])[0] - 1000) < 150)
        True
        """
        X, y = self._read_numbers(X, y, reset=True)
        return self._learn(self._weighted(X, y, sample_weight), None, self._start)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> BNNRegressor:
        """Learn from more rows: the posterior so far, as independent Normals, is their prior.

        Each row should come once: given twice it counts twice. Every call is a whole fit of these
        rows that starts where the last one ended, until its ELBO has stopped rising unless `steps`
        or `epochs` say how long. Means, deviations and categories stay those of the first rows.

        Parameters
        ----------
        X, y, sample_weight
            As of :meth:`fit`.

        Returns
        -------
        BNNRegressor
            Itself.

        References
        ----------
        Nguyen, Li, Bui and Turner, *Variational continual learning*, ICLR 2018.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNRegressor(steps=300, random_state=1).fit(x, x[:, 0])
        >>> before = model.predict([[1.0]], return_std=True)[1]
        >>> after = model.partial_fit(x + 0.01, x[:, 0]).predict([[1.0]], return_std=True)[1]
        >>> bool(after[0] < before[0])
        True
        """
        first = not self.__sklearn_is_fitted__()
        X, y = self._read_numbers(X, y, reset=first)
        weights = np.ones(len(y)) if sample_weight is None else sample_weight
        return self._learn_portion(self._weighted(X, y, weights))

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Return the predictive mean, and if asked for the standard deviation.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As at the fit; categories that were not there are none of them.
        return_std : bool, optional
            Return the standard deviation of new targets as well, noise included.

        Returns
        -------
        mean, or (mean, std) : array of shape (n,) or (n, targets)

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNRegressor(steps=300, random_state=1).fit(x, x[:, 0])
        >>> mean, std = model.predict([[0.0], [9.0]], return_std=True)
        >>> bool(std[1] > std[0])
        True
        """
        mean, std = self._reduced(X, normal_mixtures.moments)
        mean = mean * self.scale_.std + self.scale_.mean
        return (mean, std * self.scale_.std) if return_std else mean

    def predict_quantiles(self, X: Any, quantiles: Sequence[float] = (0.05, 0.5, 0.95)) -> Any:
        """Return quantiles of new targets: those of the mixture over the posterior's draws.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As of :meth:`predict`.
        quantiles : sequence of float, optional
            In (0, 1). Default 0.05, 0.5 and 0.95.

        Returns
        -------
        array of shape (n, quantiles) or (n, targets, quantiles)

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNRegressor(steps=300, random_state=1).fit(x, x[:, 0])
        >>> low, high = model.predict_quantiles([[0.0]], (0.1, 0.9))[0]
        >>> bool(low < model.predict([[0.0]])[0] < high)
        True
        """
        p = np.asarray(quantiles, float)
        if p.ndim != 1 or not ((p > 0) & (p < 1)).all():
            raise invalid("quantiles", "be numbers in (0, 1)", quantiles, "pass (0.05, 0.95), say")
        (found,) = self._reduced(X, lambda *parts: (normal_mixtures.quantiles(*parts, p),))
        return found * self.scale_.std[..., None] + self.scale_.mean[..., None]

    def predict_interval(self, X: Any, level: float = 0.9) -> Any:
        """Return central intervals that hold a new target with a probability.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As of :meth:`predict`.
        level : float, optional
            In (0, 1). Default 0.9.

        Returns
        -------
        array of shape (n, 2) or (n, targets, 2)
            Lower and upper ends.

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNRegressor(steps=300, random_state=1).fit(x, x[:, 0])
        >>> low, high = model.predict_interval(x, level=0.5).T
        >>> bool((low < high).all())
        True
        """
        if not 0 < level < 1:
            raise invalid("level", "be in (0, 1)", level, "pass 0.9, say")
        return self.predict_quantiles(X, ((1 - level) / 2, (1 + level) / 2))

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> np.ndarray:
        """Draw new targets, each sample of all rows with one draw of the posterior.

        Parameters
        ----------
        X : array or DataFrame of shape (n, columns)
            As of :meth:`predict`.
        n_samples : int, optional
            How many.
        random_state : int, RandomState or None, optional
            Of the noise.

        Returns
        -------
        array of shape (n, n_samples) or (n, targets, n_samples)

        Examples
        --------
        >>> x = np.linspace(-2, 2, 60)[:, None]
        >>> model = BNNRegressor(steps=300, random_state=1).fit(x, x[:, 0])
        >>> model.sample_y(x, 7).shape
        (60, 7)
        """
        check_int("n_samples", n_samples, 1, None, "pass n_samples=100")
        check_is_fitted(self)
        rng = check_random_state(random_state)
        drawn = np.resize(rng.permutation(self._draws.count), n_samples)

        def samples(mu: np.ndarray, sigma: np.ndarray) -> tuple[np.ndarray]:
            noise = rng.standard_normal((n_samples, *mu.shape[1:]))
            return (np.moveaxis(mu[drawn] + sigma[drawn] * noise, 0, -1),)

        (found,) = self._reduced(X, samples)
        return found * self.scale_.std[..., None] + self.scale_.mean[..., None]

    def __getattr__(self, name: str) -> Any:
        """Say what is here in place of a classifier's probabilities."""
        instead = "predict(X, return_std=True) and predict_interval(X) say how sure it is"
        why = f"; {instead}" if name in ("predict_proba", "predict_log_proba") else ""
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{why}")

    def _read_numbers(self, X: Any, y: Any, reset: bool) -> tuple[Any, np.ndarray]:
        """Check rows to learn from, of which the targets are numbers."""
        text = next((value for value in np.asarray(y).ravel() if isinstance(value, str)), None)
        if text is not None:
            rule, repair = "hold numbers", "labels are for BNNClassifier"
            raise invalid("y", rule, repr(str(text)), repair)
        X, y = self._read(X, y, reset=reset, multi_output=True, y_numeric=True)
        return X, np.asarray(y, float)

    def _target(self, y: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        if self.noise not in ("input", "constant"):
            rule, repair = 'be "input" or "constant"', "choose one of them"
            raise invalid("noise", rule, repr(self.noise), repair)
        own = StandardScaler().fit(y.reshape(len(y), -1), sample_weight=weights)
        mean, std = (part if y.ndim == 2 else part[0] for part in (own.mean_, own.scale_))
        self.scale_ = Scale(mean, std)
        return self._known_target(y)

    def _known_target(self, y: np.ndarray) -> np.ndarray:
        if y.shape[1:] != self.scale_.mean.shape:
            rule, repair = f"have rows of shape {self.scale_.mean.shape}", "pass the same targets"
            raise invalid("y", rule, y.shape[1:], repair)
        return self.scale_.standard(y)

    def _outputs(self) -> int:
        return self.scale_.mean.size * (2 if self.noise == "input" else 1)

    def _model(self, network: Any, x: np.ndarray, rows: Rows, before: Any) -> Any:
        prior, noise = self.prior, None
        if prior is None:
            prior = Normal(sigma=HalfNormal(1.0, per="layer"))
        if before is not None:
            prior, noise = HeldPrior.of(before), log_moments(before, "noise")
        own = rows.y, rows.weights, prior, self.noise, noise, self._names_of_inputs
        return normal_model(network, x, *own)

    def _log_density(self, y: np.ndarray, *found: np.ndarray) -> np.ndarray:
        return normal_mixtures.log_density(y, *found)
