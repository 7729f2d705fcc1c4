"""Data of any scale in a model whose network sees mean 0 and standard deviation 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt
from pytensor import config
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.tensor.variable import TensorConstant, TensorVariable

from pymc_bnn._checks import invalid
from pymc_bnn._frames import as_numbers, column_names, refuse_missing, reordered
from pymc_bnn._warnings import warn
from pymc_bnn.bayesian_network.inputs import value_of
from pymc_bnn.model.checks import current_model
from pymc_bnn.model.columns import remember

__all__ = ["Scale", "standardise"]

_AT_ONCE = 2**22  # numbers turned to float64
_COARSE = 1.7e5  # mean over standard deviation at which float32 is 0.01 of the latter off


@dataclass(frozen=True, eq=False)
class Scale:
    """Means and standard deviations, as scikit-learn's ``StandardScaler`` finds them.

    For a likelihood in the target's own units around a network's output of scale 1, so that
    predictions, intervals and log-densities are in these units, too. Of more than one axis the last
    one holds the columns (channels of images), each with a scale of its own.

    Parameters
    ----------
    mean : array of shape () or (columns,)
        Subtracted.
    std : array of the same shape
        Divided by; above 0. That of a constant column is 1.
    columns : tuple, optional
        Names of the columns, where they are known.

    Raises
    ------
    ValueError
        If `mean` or `std` is not finite, `std` is not above 0, or their shapes differ.

    Examples
    --------
    >>> y = np.array([4000.0, 5000.0, 6000.0])
    >>> scale = Scale.of(y)
    >>> scale.standard(y).round(2).tolist(), float(scale.mean), float(scale.std.round(1))
    ([-1.22, 0.0, 1.22], 5000.0, 816.5)
    >>> with pm.Model() as model:
    ...     f, noise = pm.Normal("f"), pm.HalfNormal("noise")  # of scale 1
    ...     pm.Normal("y", scale.mu(f), scale.sigma(noise), observed=y)  # of the scale of y
    y
    """

    mean: np.ndarray
    std: np.ndarray
    columns: tuple[Any, ...] | None = None

    def __post_init__(self):
        for name in ("mean", "std"):
            value = as_numbers(name, getattr(self, name)).astype(float)
            if not np.isfinite(value).all() or (name == "std" and (value <= 0).any()):
                rule = "be finite" if name == "mean" else "be finite and above 0"
                raise invalid(name, rule, value, "take both of data, as in Scale.of(y)")
            object.__setattr__(self, name, value)
        if self.mean.shape != self.std.shape or self.mean.ndim > 1:
            got = f"{self.mean.shape} and {self.std.shape}"
            rule, repair = "have the shape of `std`, () or (columns,)", "pass one of each a column"
            raise invalid("mean", rule, got, repair)

    @classmethod
    def of(cls, values: Any, name: str = "values") -> Scale:
        """Return the scale of an array, a table, ``pm.Data``, or of a fitted ``StandardScaler``.

        Parameters
        ----------
        values : array_like, DataFrame, Series, pm.Data or StandardScaler, of shape (n, ...)
            Finite numbers, at least one row.
        name : str, optional
            What errors call them.

        Raises
        ------
        TypeError, ValueError
            If they hold no numbers, or missing ones; the error names the columns.

        Warns
        -----
        UserWarning
            If float32 cannot tell a column's values apart, as 1e9 and 1e9 + 1.

        Examples
        --------
        >>> import pandas as pd
        >>> scale = Scale.of(pd.DataFrame({"age": [30, 50], "member": [True, True]}))
        >>> scale.mean.tolist(), scale.std.tolist(), scale.columns
        ([40.0, 1.0], [10.0, 1.0], ('age', 'member'))
        """
        if isinstance(values, Scale):
            return values
        if hasattr(values, "mean_") and hasattr(values, "scale_"):
            n, names = values.n_features_in_, getattr(values, "feature_names_in_", None)
            mean = values.mean_ if values.with_mean else np.zeros(n)
            std = values.scale_ if values.with_std else np.ones(n)
            return cls(mean, std, None if names is None else tuple(names))
        if isinstance(values, Variable) and not isinstance(values, SharedVariable | TensorConstant):
            rule, repair = "be known numbers", "pass the array itself"
            raise invalid(name, rule, f"an expression of {values.type}", repair, TypeError)
        names = column_names(values)
        array = value_of(values) if isinstance(values, Variable) else as_numbers(name, values)
        if array.ndim == 0 or not array.size:
            got = "a scalar" if array.ndim == 0 else f"shape {array.shape}"
            raise invalid(name, "hold at least one row", got, "pass shape (n, …)")
        rows = array.reshape(-1, array.shape[-1] if array.ndim > 1 else 1)
        labels = [repr(c) for c in names or range(rows.shape[1])]
        if array.dtype.kind == "f":
            refuse_missing(name, labels, [~np.isfinite(column) for column in rows.T])
        mean, std = _moments(rows)
        coarse = [
            label for label, m, s in zip(labels, mean, std, strict=True) if abs(m) > _COARSE * s
        ]
        if coarse:
            warn(
                f"float32 holds '{name}' too coarsely: next to the mean the spread of column "
                f"{', '.join(coarse[:4])} is tiny; subtract a round number first, or fit with "
                'dtype="float64"'
            )
        return cls(mean, std, names) if array.ndim > 1 else cls(mean[0], std[0])

    def standard(self, x: Any) -> Any:
        """Return ``(x - mean) / std``: what a network gets."""
        mean, std = self._like(x)
        return (x - mean) / std

    def mu(self, mu: Any) -> Any:
        """Return ``mean + std * mu``: a location of scale 1 in the units of the data."""
        mean, std = self._like(mu)
        return mean + std * mu

    def sigma(self, sigma: Any) -> Any:
        """Return ``std * sigma``: a spread of scale 1 in the units of the data."""
        return self._like(sigma)[1] * sigma

    def _like(self, x: Any) -> tuple[Any, Any]:
        """Return mean and standard deviation for an array or a tensor of the right width."""
        shape = x.type.shape if isinstance(x, Variable) else np.shape(x)
        if shape and self.mean.ndim and shape[-1] not in (None, self.mean.size, 1):
            raise invalid(
                "x", f"have {self.mean.size} columns", f"shape {shape}", "pass those of the scale"
            )
        if not isinstance(x, Variable):
            return self.mean, self.std
        # As many axes: a vector could be taken for as many rows.
        axes = (1,) * (x.type.ndim - 1) * self.mean.ndim
        return tuple(pt.constant(v.reshape(axes + v.shape)) for v in (self.mean, self.std))


def standardise(
    name: str,
    x: Any,
    scale: Any = None,
    dims: str | Sequence[str] | None = None,
) -> TensorVariable:
    """Return data with mean 0 and standard deviation 1, an expression of ``pm.Data`` as they are.

    ``pm.Data(name, x)`` holds the values in their own units, so that `predict`, ``pm.set_data`` and
    batches of a stream take such values; mean and standard deviation of each column stay those of
    `x`. The names of a DataFrame's columns are remembered, as :func:`bayesian` does. Call it inside
    ``with pm.Model():``.

    Parameters
    ----------
    name : str
        Of the ``pm.Data``.
    x : array or DataFrame, of shape (n, ...)
        Numbers; the last axis of several holds the columns (channels of images). Of up to two axes
        they are held as floats, so that predictions may have others between whole ones.
    scale : Scale or StandardScaler, optional
        What to subtract and divide by, where `x` is a sample of a stream, or the weights have
        priors from an earlier fit. Default ``Scale.of(x)``.
    dims : str or sequence of str, optional
        Of the ``pm.Data``; a DataFrame's columns become coords.

    Returns
    -------
    TensorVariable
        ``(x - mean) / std``, for :func:`bayesian` or any other expression.

    Raises
    ------
    TypeError
        Outside a model, or if `x` or `scale` hold no numbers.
    ValueError
        If values are missing, in an error that names the columns, or do not fit `scale`.

    See Also
    --------
    Scale : for the likelihood of a target far from scale 1.

    Examples
    --------
    >>> import pandas as pd
    >>> from pymc_bnn import bayesian, fit, networks
    >>> rng = np.random.default_rng(0)
    >>> homes = pd.DataFrame({"size": rng.normal(90, 30, 200), "built": rng.normal(1960, 30, 200)})
    >>> price = 3000 * homes["size"] + 1000 * (homes["built"] - 1900)
    >>> with pm.Model() as model:
    ...     x, unit = standardise("x", homes), Scale.of(price)
    ...     f = bayesian(networks.mlp((2, 8, 1)), x)[:, 0]
    ...     noise = pm.HalfNormal("noise")
    ...     y = pm.Normal("y", unit.mu(f), unit.sigma(noise), observed=price, shape=f.shape)
    >>> fitted = fit(model, steps=500, random_seed=1, progressbar=False)
    >>> mine = pd.DataFrame({"built": [1960], "size": [100.0]})  # in any order, in own units
    >>> bool(abs(fitted.predict({"x": mine}, random_seed=1)["y"].mean[0] - 360_000) < 20_000)
    True
    """
    model = current_model("standardise")
    if not isinstance(name, str):
        raise invalid("name", "be a string", repr(name), 'pass "x", say', TypeError)
    if isinstance(x, Variable):
        rule, repair = "be an array or a table", "use Scale.of(array).standard(tensor) of a tensor"
        raise invalid("x", rule, f"a variable of {x.type}", repair, TypeError)
    if not (scale is None or isinstance(scale, Scale) or hasattr(scale, "scale_")):
        rule, repair = "be a Scale or a fitted StandardScaler", "pass Scale.of(x)"
        raise invalid("scale", rule, repr(scale), repair, TypeError)
    known = None if scale is None else Scale.of(scale)
    x = reordered(name, x, None if known is None else known.columns)
    array = as_numbers(name, x)
    own = Scale.of(x, name) if known is None else known
    if own.mean.shape != array.shape[-1:] * (array.ndim > 1):
        rule, repair = f"have the shape of `scale`, {own.mean.shape}", "take the scale of such data"
        raise invalid(name, f"{rule} a row", f"{array.shape}", repair)
    dims = (dims,) if isinstance(dims, str) else dims
    names, coords = column_names(x), None
    if names is not None and dims is not None and len(dims) == 2 and dims[1] not in model.coords:
        coords = {dims[1]: names}
    shape = (None, *array.shape[1:])
    if array.ndim < 3:  # ages may be whole here, and 42.5 in a prediction; images stay small
        array = array.astype(config.floatX)
    data = pm.Data(name, array, shape=shape, dims=dims, coords=coords)
    remember(data, x)
    result = own.standard(data)
    result.name = f"{name}_standardised"
    return result


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return means and standard deviations of columns, a part of the rows after the other."""
    from sklearn.preprocessing import StandardScaler  # takes half a second

    scaler, step = StandardScaler(), max(1, _AT_ONCE // rows.shape[1])
    with np.errstate(over="ignore"):
        for start in range(0, len(rows), step):
            scaler.partial_fit(rows[start : start + step].astype(float))
    return scaler.mean_, scaler.scale_
