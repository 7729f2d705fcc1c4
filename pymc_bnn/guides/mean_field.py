"""The factorised Normal guide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytensor.tensor as pt
from pytensor.tensor.variable import TensorVariable

from pymc_bnn.decompose import Free

__all__ = ["Drawn", "MeanField"]


@dataclass(frozen=True)
class Drawn:
    """One draw of a free variable from its guide, as an expression of explicit inputs."""

    params: dict[str, TensorVariable]  # the guide's parameters
    noise: TensorVariable  # standard Normal noise, of the variable's shape
    draw: TensorVariable  # the unconstrained value
    entropy: TensorVariable  # () of the guide, in nats
    mean: TensorVariable  # of the unconstrained value
    variance: TensorVariable  # of the unconstrained value


@dataclass(frozen=True)
class MeanField:
    r"""Independent Normal distributions, one per unconstrained number.

    :math:`q(z) = \prod_i \mathcal N(z_i \mid \mathrm{loc}_i, \mathrm{scale}_i^2)`, with
    :math:`\mathrm{scale} = \exp(\mathrm{log\_scale})`, so that one step of an optimiser changes
    a scale by the same share wherever it stands.

    References
    ----------
    Kucukelbir et al., *Automatic differentiation variational inference*, JMLR 18 (2017), eq. 5.

    Examples
    --------
    >>> MeanField()
    MeanField()
    """

    def init(self, free: Free, scale: float) -> dict[str, np.ndarray]:
        """Return the guide's first parameters: the model's initial value, and `scale` throughout.

        Examples
        --------
        >>> import pymc as pm
        >>> from pymc_bnn.decompose import decompose
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
        >>> MeanField().init(decompose(model).free[0], 1.0)
        {'loc': array(0.), 'log_scale': array(0.)}
        """
        return {
            "loc": np.array(free.start, dtype=float),
            "log_scale": np.full(free.start.shape, np.log(scale)),
        }

    def express(self, free: Free) -> Drawn:
        """Write one draw as a graph of loc, log_scale and noise.

        Examples
        --------
        >>> import pymc as pm
        >>> from pymc_bnn.decompose import decompose
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
        >>> sorted(MeanField().express(decompose(model).free[0]).params)
        ['loc', 'log_scale']
        """

        def root(role: str) -> TensorVariable:
            return pt.tensor(
                f"{free.name}/{role}", dtype=free.value.type.dtype, shape=free.start.shape
            )

        loc, log_scale, noise = root("loc"), root("log_scale"), root("noise")
        scale = pt.exp(log_scale)
        size = int(np.prod(free.start.shape))
        return Drawn(
            params={"loc": loc, "log_scale": log_scale},
            noise=noise,
            draw=loc + scale * noise,
            entropy=log_scale.sum() + 0.5 * size * np.log(2 * np.pi * np.e),
            mean=loc,
            variance=scale**2,
        )
