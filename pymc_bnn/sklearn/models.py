"""The PyMC models behind the estimators: a network on data of scale 1, and its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.graphs.interpreted import alone

__all__ = ["class_model", "normal_model"]

Network = Callable[[TensorVariable], TensorVariable]
_LEAST = 1e-3  # of a noise of scale 1


def normal_model(
    network: Network,
    x: np.ndarray,
    y: np.ndarray,
    weights: np.ndarray | None = None,
    prior: Any = None,
    noise: str = "input",
    noise_moments: tuple[np.ndarray, np.ndarray] | None = None,
    columns: Sequence[str] | None = None,
) -> pm.Model:
    """Return a model of Normal targets whose means are a network's outputs.

    Parameters
    ----------
    network : callable
        With an output for each target, and as many more where the noise depends on the input.
    x : array of shape (n, inputs)
        Of scale 1.
    y : array of shape (n,) or (n, targets)
        Of scale 1.
    weights : array of shape (n,), optional
        What each row's log-density is multiplied by; without them `y` is an observed variable.
    prior : Prior or mapping, optional
        Of the network's parameters.
    noise : {"input", "constant"}, optional
        Whether the network has outputs for the noise, or each target a number.
    noise_moments : (array, array), optional
        Mean and standard deviation of the logarithm of a constant noise; by default HalfNormal(1).
    columns : sequence of str, optional
        What the inputs are called.

    Returns
    -------
    pymc.Model
        With deterministics "mu" and "sigma", of the shape of `y`.

    Examples
    --------
    >>> from pymc_bnn import networks
    >>> rows = np.random.default_rng(0).normal(size=(9, 3))
    >>> model = normal_model(networks.mlp((3, 5, 2)), rows, rows[:, 0])
    >>> [variable.name for variable in model.observed_RVs], list(model.named_vars)[-2:]
    (['y'], ['sigma', 'y'])
    """
    targets = 1 if y.ndim == 1 else y.shape[1]
    with alone(), pm.Model() as model:
        out = bayesian(network, _inputs(x, columns), prior)
        if noise == "input":
            sigma = pt.softplus(out[:, targets:] - 1.0) + _LEAST
        elif noise_moments is None:
            sigma = pm.HalfNormal("noise", 1.0, shape=targets) + pt.zeros_like(out)
        else:
            mean, std = (pm.Data(f"noise_{k}", v) for k, v in zip("ms", noise_moments, strict=True))
            sigma = pm.LogNormal("noise", mean, std, shape=targets) + pt.zeros_like(out)
        mu, sigma = (part[:, 0] if y.ndim == 1 else part for part in (out[:, :targets], sigma))
        mu, sigma = pm.Deterministic("mu", mu), pm.Deterministic("sigma", sigma)
        if weights is None:
            pm.Normal("y", mu, sigma, observed=y, shape=mu.shape)
        else:
            _weighted(pm.Normal.dist(mu, sigma), y, weights)
    return model


def class_model(
    network: Network,
    x: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray | None = None,
    prior: Any = None,
    columns: Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
) -> pm.Model:
    """Return a model of classes whose logits are a network's outputs.

    Parameters
    ----------
    network : callable
        With an output for each class.
    x : array of shape (n, inputs)
        Of scale 1.
    labels : array of shape (n,)
        Counted from 0.
    weights, prior, columns
        As of :func:`normal_model`.
    classes : sequence, optional
        What the classes are called.

    Returns
    -------
    pymc.Model
        With a deterministic "logits", (n, classes).

    Examples
    --------
    >>> from pymc_bnn import networks
    >>> rows = np.random.default_rng(0).normal(size=(9, 3))
    >>> labels, twice = (rows[:, 0] > 0).astype(int), np.full(9, 2.0)
    >>> model = class_model(networks.mlp((3, 5, 2)), rows, labels, twice)
    >>> [potential.name for potential in model.potentials]
    ['weighted_y']
    """
    coords = None if classes is None else {"y_class": classes}
    with alone(), pm.Model(coords=coords) as model:
        out = bayesian(network, _inputs(x, columns), prior)
        logits = pm.Deterministic("logits", out)
        if weights is None:
            pm.Categorical("y", logit_p=logits, observed=labels, shape=logits.shape[0])
        else:
            _weighted(pm.Categorical.dist(logit_p=logits), labels, weights)
    return model


def _inputs(x: np.ndarray, columns: Sequence[str] | None) -> TensorVariable:
    named = {"dims": (None, "x_column"), "coords": {"x_column": columns}}
    return pm.Data("x", x, shape=(None, x.shape[1]), **(named if columns else {}))


def _weighted(law: TensorVariable, y: np.ndarray, weights: np.ndarray) -> None:
    """Add each row's log-density, multiplied by its weight."""
    log_density = pm.logp(law, pm.Data("y", y, shape=(None, *y.shape[1:])))
    if y.ndim == 2:
        log_density = log_density.sum(axis=1)
    pm.Potential("weighted_y", pm.Data("weight", weights, shape=(None,)) * log_density)
