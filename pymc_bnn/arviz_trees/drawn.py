"""The draws that all groups of a tree are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import arviz_base
import numpy as np
import xarray as xr

from pymc_bnn._checks import invalid
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.sampling import LIMIT_BYTES, labels

__all__ = ["Drawn", "check_size", "to_group"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """Draws of a problem's free variables, as often as they are asked for the same ones.

    Attributes
    ----------
    problem : Problem
        The model.
    posterior : Posterior
        That all chains together are of.
    chains : tuple of Posterior
        Their numbered draws.
    draws : int
        Of each chain.
    seed : int
        Of what is drawn beside them.

    Examples
    --------
    >>> Drawn.__name__
    'Drawn'
    """

    problem: Problem
    posterior: Posterior
    chains: tuple[Posterior, ...]
    draws: int
    seed: int

    @property
    def dense(self) -> bool:
        """Whether the posterior has a density: not of points, nor of kept draws."""
        own = type(self.posterior).log_density is not Posterior.log_density
        return own and not self.posterior.points

    @property
    def total(self) -> int:
        """How many draws there are, of all chains."""
        return self.draws * len(self.chains)

    def each(self) -> Iterator[tuple[Posterior, int]]:
        """Yield the chains, each with a seed of its own."""
        seeds = np.random.SeedSequence((self.seed, 1)).generate_state(len(self.chains))
        yield from zip(self.chains, map(int, seeds), strict=True)


def check_size(draws: int, numbers: int, what: str, itemsize: int = 8) -> None:
    """Raise if something of which each draw has so many numbers needs more than 2 GiB.

    Examples
    --------
    >>> check_size(10**6, 10**6, "log-likelihoods")
    Traceback (most recent call last):
        ...
    ValueError: `draws` must need no more than 2 GiB of memory, got 1000000 draws of 1,000,000 \
log-likelihoods, 7450.6 GiB; choose fewer draws, or other groups
    """
    size = draws * numbers * itemsize
    if size > LIMIT_BYTES:
        got = f"{draws} draws of {numbers:,} {what}, {size / 2**30:.1f} GiB"
        repair = "choose fewer draws, or other groups"
        raise invalid("draws", "need no more than 2 GiB of memory", got, repair)


def to_group(
    problem: Problem,
    values: Mapping[str, Any],
    sample_dims: Sequence[str] = ("chain", "draw"),
    new: bool = False,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Sequence[Any]] | None = None,
) -> xr.Dataset:
    """Return arrays by name as a group, with the model's dims and coords where they fit.

    Parameters
    ----------
    problem : Problem
        The model.
    values : mapping from str to array
        Of each variable, after the sample's dimensions.
    sample_dims : sequence of str, optional
        First dimensions of all.
    new : bool, optional
        Whether rows are new, so that the labels of the model's rows are not theirs.
    dims, coords : mapping, optional
        That the model does not know.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model(coords={"k": ["a", "b"]}) as model:
    ...     y = pm.Normal("y", pm.Normal("mu", dims="k").sum(), observed=np.zeros(3))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> to_group(problem, {"mu": np.zeros((1, 5, 2))})["k"].values.tolist()
    ['a', 'b']
    """
    arrays = {name: np.asarray(value) for name, value in values.items()}
    own = labels(problem.terms, arrays)
    skipped = len(sample_dims)
    named = {k: list(v)[: arrays[k].ndim - skipped] for k, v in own["dims"].items()}
    named = {**named, **(dims or {})}
    sizes = {
        dim: size
        for name, used in named.items()
        for dim, size in zip(used, arrays[name].shape[skipped:], strict=False)
    }
    known = {**own["coords"], **(coords or {})}
    first = {used[0] for used in named.values() if used} if new else set()
    known = {d: c for d, c in known.items() if sizes.get(d) == len(c) and d not in first}
    return arviz_base.dict_to_dataset(
        arrays,
        attrs={"inference_library": "pymc_bnn"},
        sample_dims=list(sample_dims),
        dims=named,
        coords=known,
    )
