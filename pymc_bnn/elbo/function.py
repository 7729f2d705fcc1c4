"""The parts of the ELBO as a pure function of parameters, noise and data."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn.data.gathering import seen_by
from pymc_bnn.elbo.choose import Choice
from pymc_bnn.graphs.to_jax import key_of
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import Noise, draw_noise, no_noise

__all__ = ["Elbo", "ElboTerms", "LaterElbo", "Params"]

Params = Mapping[str, Mapping[str, Any]]


class ElboTerms(NamedTuple):
    """The parts of the objective at one draw, in nats."""

    row: Any  # (rows,) log-likelihood of each example, or None
    rest: Any  # () log-likelihood that does not come row by row
    kl: Any  # (blocks,) Kullback–Leibler divergences; 0 for points
    log_prior: Any  # (blocks,) log prior densities of points; 0 for others
    potential: Any  # () sum of potentials
    row_kl: Any = None  # (latents, rows) divergences of latents of the rows, which have 0 in `kl`


@dataclass(frozen=True, eq=False)
class Elbo:
    """The parts of the ELBO at one draw, as a pure JAX function.

    ``elbo(params, noise, data)`` takes the guides' parameters ``{block: {role: array}}``, noise
    ``{name: array}`` as :meth:`draw_noise` makes it, and data ``{name: array}`` with any number of
    rows, and returns :class:`ElboTerms`. Of latents that belong to rows there are parameters of as
    many rows, or of all of them, and the data say which (:mod:`pymc_bnn.data.gathering`).
    """

    function: Callable[..., ElboTerms]
    names: tuple[str, ...]  # blocks: free variables, or the patterns of joint guides
    noise: tuple[Noise, ...]  # what one evaluation needs
    choices: dict[str, Choice]  # the estimator of each free variable
    kl_methods: dict[str, str]  # how the KL of each block is computed, in order
    sizes: dict[str, int]  # numbers of each block
    dropout: bool  # whether the network has dropout, random in training
    dtype: str  # of its noise
    latents: tuple[str, ...] = ()  # blocks that belong to the examples

    @property
    def now(self) -> Elbo:
        """Itself."""
        return self

    @property
    def key(self) -> Hashable | None:
        """What it computes: equal for models that are built twice; None where it is not known."""
        lifted = getattr(self.function, "function", self.function)
        own = self.function, self.names, self.noise, self.latents, self.dtype
        return key_of(lifted) and own

    def __call__(
        self, params: Params, noise: Mapping[str, Any], data: Mapping[str, Any]
    ) -> ElboTerms:
        """Evaluate the parts."""
        return self.function(seen_by(params, self.latents, data), noise, data)

    def draw_noise(
        self, key: jax.Array, rows: int, dropout: bool = True, counted: Any = None
    ) -> dict[str, jax.Array]:
        """Draw the noise of one evaluation on so many rows; without dropout all units are kept.

        Where `counted` rows count, as of :func:`pymc_bnn.runtime.noise.draw_noise`.
        """
        noise = draw_noise(key, self.noise, rows, self.dtype, counted)
        if not dropout:
            noise |= no_noise([n for n in self.noise if n.law == "keep"], rows, self.dtype)
        return noise

    @cached_property
    def on_rows(self) -> Compiled:
        """The compiled ``on_rows(params, key, data, counted, size)``: sums over rows that count.

        Noise is that of batches of `size` rows. Without dropout, at one draw: (4 + blocks,)
        log-likelihood of the rows, the rest of it, potentials, log prior of points, the KL of each
        block, of latents on these rows. :meth:`of_all` puts those of several batches together.
        """

        def evaluate(
            params: Params, key: jax.Array, data: Any, counted: jax.Array, size: jax.Array
        ) -> jax.Array:
            noise = self.draw_noise(key, len(counted), dropout=False, counted=size)
            parts = self(params, noise, data)
            row = 0.0 if parts.row is None else jnp.where(counted, parts.row, 0.0).sum()
            of_no_row = parts.rest, parts.potential, parts.log_prior.sum()
            return jnp.stack([row, *of_no_row, *self._kl(parts, counted)])

        return Compiled(evaluate, key=self.key and ("on_rows", self.key))

    def of_all(self, batches: Any) -> np.ndarray:
        """Return what :attr:`on_rows` would find on all rows, from (batches, 4 + blocks)."""
        batches = np.asarray(batches, float)
        by_row = [True, False, False, False, *(name in self.latents for name in self.names)]
        return np.where(by_row, batches.sum(axis=0), batches.mean(axis=0))

    @cached_property
    def kl(self) -> Compiled:
        """The compiled ``kl(params, key, data)``: the KL of each block at one draw.

        The data are those of all rows where latents belong to them, else of one will do.
        """

        def evaluate(params: Params, key: jax.Array, data: Any) -> jax.Array:
            rows = len(params[self.latents[0]]["loc"]) if self.latents else 1
            parts = self(params, self.draw_noise(key, rows), data)
            return jnp.stack(self._kl(parts, jnp.ones(rows, bool)))

        return Compiled(evaluate, key=self.key and ("kl", self.key))

    def _kl(self, parts: ElboTerms, counted: jax.Array) -> list[jax.Array]:
        """Return the divergence of each block, of latents on the rows that count."""
        kl = dict(zip(self.names, parts.kl, strict=True))
        if parts.row_kl is not None:
            own = jnp.where(counted, parts.row_kl, 0.0).sum(axis=1)
            kl |= dict(zip(self.latents, own, strict=True))
        return list(kl.values())


class LaterElbo:
    """An ELBO that is put together when it is first asked for more than what is known of it.

    Predictions of a fit that was loaded do not need it, and it takes most of the time.

    Parameters
    ----------
    make : callable
        Returns the ELBO.
    latents : tuple of str
        Blocks that belong to the examples.
    dropout : bool
        Whether the network has dropout.

    Examples
    --------
    >>> later = LaterElbo(lambda: Elbo(None, ("mu",), (), {}, {}, {}, False, "float32"), (), False)
    >>> later.latents, later.names
    ((), ('mu',))
    """

    def __init__(self, make: Callable[[], Elbo], latents: tuple[str, ...], dropout: bool):
        self._make, self.latents, self.dropout = make, latents, dropout

    @cached_property
    def now(self) -> Elbo:
        """The ELBO; it has to be made before JAX traces what calls it."""
        return self._make()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_make":
            raise AttributeError(name)
        return getattr(self.now, name)

    def __call__(self, *args: Any) -> ElboTerms:
        """Evaluate the parts."""
        return self.now(*args)
