"""Whether the noise of a likelihood swallowed the signal: the network beside a linear fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
import pymc as pm
from pytensor.graph.traversal import ancestors
from pytensor_ml.layers.conv import ConvLayer
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from pymc_bnn._warnings import unheard
from pymc_bnn.diagnostics.checks.case import BAD, GOOD, LOOK, Case, Finding
from pymc_bnn.guides import MeanField
from pymc_bnn.model.labels import label_classes
from pymc_bnn.model.network_parts import evaluator, first_inputs, layer_nodes, location_of
from pymc_bnn.model.terms import Observed
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.runtime.precision import precision

__all__ = ["Losses", "class_losses", "judged_losses", "signal", "value_losses"]

_DRAWS, _FEW_DRAWS = 20, 5  # of the posterior
_ROWS = 1000
_COMPONENTS = 50  # of inputs with more columns
_FOLDS = 4
_FAR = 0.9  # quantile of distances above which those of heavy tails count alike
_CLEAR, _SLIGHT = 0.05, 0.02  # of what there is to explain, by which a linear fit explains more
_ERRORS_CLEAR, _ERRORS_SLIGHT = 3.0, 2.0  # standard errors
_NATS = "log-likelihood"  # what is explained of classes
_NORMAL = pm.Normal.rv_type | pm.Logistic.rv_type  # whose means are those of squares


class Losses(NamedTuple):
    """(rows,) losses of each prediction, in units of the mean loss of one that uses no inputs.

    Examples
    --------
    >>> Losses(np.full(4, 0.2), np.full(4, 0.5)).explained
    (0.8, 0.5)
    """

    network: np.ndarray
    linear: np.ndarray

    @property
    def explained(self) -> tuple[float, float]:
        """What the network explains of what there is to explain, and what a linear fit does."""
        return 1 - float(self.network.mean()), 1 - float(self.linear.mean())


def signal(case: Case, until: float = np.inf) -> Iterator[Finding]:
    """Yield for each observed variable what its network explains, beside a linear fit.

    Variables with a location (Normal, Student's t, …) or with classes, whose rows are those of the
    input of a network's first layer; on at most 1,000 rows, at 20 draws of the posterior.
    Convolutions are compiled, nothing else.

    Parameters
    ----------
    case : Case
        The fit.
    until : float, optional
        When to give up, as of ``time.perf_counter()``; convolutions are then left out.

    Examples
    --------
    >>> signal.__name__
    'signal'
    """
    if case.problem.streamed or case.problem.terms.incomplete:
        return
    for o in case.problem.for_predictions.observed:
        # What cannot be computed here has no row.
        with suppress(ValueError, TypeError, NotImplementedError, IndexError, AssertionError):
            losses, share = _losses(case, o, until)
            if losses is not None:
                yield judged_losses(o.name, losses, share)


def judged_losses(name: str, losses: Losses, share: str = "variance") -> Finding:
    """Return the verdict on the losses of a network and of a linear fit.

    "bad" needs 5 % of what there is to explain and three standard errors. Of 600 networks as good
    as a linear fit (50 or 200 rows, five columns) none was bad and 1.5 % were "look"; with 20
    columns in 50 rows 2 of 300 were bad. Of 600 that explained nothing of 50 or 20 % of the
    variance a third was bad, and the rest "look".

    Examples
    --------
    >>> noise = np.random.default_rng(0).exponential(size=500)
    >>> judged_losses("y", Losses(noise, noise / 4)).verdict
    'bad'
    """
    gap = losses.network - losses.linear
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    gap = float(gap.mean())
    (network, linear), check = losses.explained, f"signal in {name}"
    says = (
        f"the network's mean explains {network:.0%} of the {share} of '{name}', a linear fit of "
        f"the same inputs {linear:.0%}"
    )
    lost, repair = (
        "noise has swallowed the signal",
        (
            "start the noise small (initval= of its scale, a twentieth of the data's), widen the "
            "weights' prior, or leave out steps= so that the KL's weight rises first"
        ),
    )
    if share == _NATS:
        lost, repair = (
            "the prior has swallowed the signal",
            ("widen the weights' prior, or leave out steps= so that the KL's weight rises first"),
        )
    if gap > max(_CLEAR, _ERRORS_CLEAR * error):
        says += f": {lost}; {repair}"
        return Finding(check, network, BAD, says)
    if gap > max(_SLIGHT, _ERRORS_SLIGHT * error):
        return Finding(check, network, LOOK, f"{says}; if that matters, {repair}")
    if network < _SLIGHT:
        says += f": there is no signal, or {lost}; to see which, {repair}"
        return Finding(check, network, LOOK, says)
    return Finding(check, network, GOOD, says)


def value_losses(
    y: np.ndarray, mean: np.ndarray, variance: np.ndarray, x: np.ndarray, squares: bool = True
) -> Losses | None:
    """Return the losses of predicted means and of ridge regression; None where all y are equal.

    Predictions of the ridge regression are cross-validated, so that it gains nothing by many
    columns; the network's are of data that it has seen.

    Parameters
    ----------
    y, mean : numpy.ndarray
        (rows, columns) targets and predicted means.
    variance : numpy.ndarray
        (rows, columns) error variance of these means, as they are of few draws.
    x : numpy.ndarray
        (rows, inputs).
    squares : bool, optional
        Whether losses are squares, or else distances, cut where a tenth of the targets lie beyond:
        a far-off target of a law with heavy tails would outweigh all others.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 2))
    >>> y = x[:, :1] + 0.5 * rng.normal(size=(300, 1))
    >>> network, linear = value_losses(y, 0 * y, 0 * y, x).explained
    >>> bool(network < 0.02), bool(0.75 < linear < 0.85)
    (True, True)
    """
    spread = y.std(axis=0)
    if not (spread > 0).all():
        return None
    center = y.mean(axis=0) if squares else np.median(y, axis=0)
    folds = KFold(_FOLDS, shuffle=True, random_state=0)
    ridge = RidgeCV(np.logspace(-2, 4, 7))
    scaled = (y - center) / spread
    if not squares:
        scaled = np.clip(scaled, *np.quantile(scaled, [0.02, 0.98], axis=0))
    linear = cross_val_predict(ridge, _columns(x), scaled, cv=folds)
    linear = center + spread * linear.reshape(y.shape)
    if squares:
        losses = [(y - mean) ** 2 - variance, (y - linear) ** 2, (y - center) ** 2]
    else:
        most = np.quantile(abs(y - center), _FAR, axis=0)
        losses = [np.minimum(abs(y - a), most) for a in (mean, linear, center)]
    base = losses[2].mean(axis=0)
    return Losses(*((loss / base).mean(axis=1) for loss in losses[:2]))


def class_losses(labels: np.ndarray, probs: np.ndarray, x: np.ndarray) -> Losses | None:
    """Return the losses, in nats, of predicted probabilities and of logistic regression.

    Those of the logistic regression are cross-validated, as in :func:`value_losses`.

    Parameters
    ----------
    labels : numpy.ndarray
        (rows,) from 0.
    probs : numpy.ndarray
        (rows, classes) predicted.
    x : numpy.ndarray
        (rows, inputs).

    Returns
    -------
    Losses or None
        None where too few labels are of a second class.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(300, 2))
    >>> labels = (x[:, 0] + 0.5 * rng.normal(size=300) > 0).astype(int)
    >>> network, linear = class_losses(labels, np.full((300, 2), 0.5), x).explained
    >>> bool(network < 0.02), bool(linear > 0.4)
    (True, True)
    """
    counts = np.bincount(labels, minlength=probs.shape[1])
    kept = counts[labels] >= _FOLDS
    labels, probs, x = labels[kept], probs[kept], x[kept]
    classes = np.unique(labels)
    if len(classes) < 2:
        return None
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    model = LogisticRegression(C=0.3, max_iter=100)
    with unheard(category=ConvergenceWarning):
        linear = cross_val_predict(model, _columns(x), labels, cv=folds, method="predict_proba")
    rows, places = np.arange(len(labels)), np.searchsorted(classes, labels)
    base = -np.log(np.bincount(places) / len(labels))[places]
    losses = [-np.log(np.clip(p, 1e-12, 1)) for p in (probs[rows, labels], linear[rows, places])]
    return Losses(*(loss / base.mean() for loss in losses))


def _columns(x: np.ndarray) -> np.ndarray:
    """Return inputs as standardised columns, of many their principal components."""
    x = x.reshape(len(x), -1)
    x = StandardScaler().fit_transform(x[:, x.std(axis=0) > 0])
    if x.shape[1] <= _COMPONENTS:
        return x
    parts = PCA(min(_COMPONENTS, len(x)), svd_solver="randomized", random_state=0)
    return StandardScaler().fit_transform(parts.fit_transform(x))


def _losses(case: Case, o: Observed, until: float) -> tuple[Losses | None, str]:
    """Return the losses of an observed variable, and what they are losses of."""
    terms, nothing = case.problem.for_predictions, (None, "")
    classes = {name for name, *_ in label_classes(terms)}
    node = o.rv.owner
    is_class = o.name in classes or (node is not None and isinstance(node.op, pm.Bernoulli.rv_type))
    at = node.op.dist_params(node)[0] if is_class else location_of(o)
    if at is None:
        return nothing
    layers = layer_nodes([at], by_hand=True)
    inputs = first_inputs(layers, terms)
    if not inputs or not {f.value for f in terms.free} & set(ancestors([at])):
        return nothing
    convolutions = any(isinstance(node.op, ConvLayer) for node in layers)
    if convolutions and np.isfinite(until):
        return nothing  # which would have to be compiled first
    starts = {f.name: f.start for f in terms.free}
    y, *x = evaluator([o.value, *inputs], terms)(starts)
    x = [a.reshape(len(a), -1) for a in x if a.ndim and len(a) == len(y)]
    if not x or len(y) < 10 * _FOLDS:
        return nothing
    kept = slice(None, None, -(-len(y) // _ROWS))
    x, y = np.concatenate(x, axis=1)[kept], y[kept]
    found = _at_draws(evaluator([at], terms, compiled=convolutions), case, until, kept)
    if found is None or not np.isfinite(found).all():
        return nothing
    mean, variance = found.mean(axis=0), found.var(axis=0, ddof=1) / len(found)
    if is_class:
        if y.ndim != 1:
            return nothing
        if o.name not in classes:
            mean = np.stack([1 - mean, mean], axis=-1)
        return class_losses(y.astype(int), mean, x), _NATS
    if mean.shape != y.shape:
        return nothing
    squares = isinstance(node.op, _NORMAL)
    y, mean, variance = (a.reshape(len(a), -1) for a in (y, mean, variance))
    return value_losses(y, mean, variance, x, squares), "variance" if squares else "spread"


def _at_draws(function, case: Case, until: float, kept: slice) -> np.ndarray | None:
    """Return (draws, rows, …) of a function at draws of the posterior; None if time runs out."""
    draw, found = _drawer(case.posterior, case.seed), []
    with precision(case.problem.dtype):
        for i in range(_DRAWS):
            if time.perf_counter() > until:
                break
            found.append(function(draw(i))[0][kept])
    return np.stack(found) if len(found) >= _FEW_DRAWS else None


def _drawer(posterior: Posterior, seed: int) -> Callable[[int], dict[str, Any]]:
    """Return a function from a number to a draw; of mean-field guides nothing is compiled."""
    if not isinstance(posterior, GuidePosterior):
        return posterior.looks(seed)
    blocks, params = posterior.guide.blocks, posterior.params
    if not all(type(block.guide) is MeanField for block in blocks):
        return posterior.looks(seed)

    def draw(i: int) -> dict[str, Any]:
        rng, values = np.random.default_rng((seed, i)), {}
        for block in blocks:
            loc, log_scale = (np.asarray(params[block.name][k]) for k in ("loc", "log_scale"))
            value = loc + np.exp(log_scale) * rng.standard_normal(loc.shape)
            values[block.variables[0].name] = value.astype(loc.dtype)
        return values

    return draw
