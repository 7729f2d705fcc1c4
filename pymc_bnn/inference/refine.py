"""Refining a fit by NUTS: chains that start where the fit ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from pymc_bnn._checks import check_positive, invalid, optional_library, set_int
from pymc_bnn._warnings import warn
from pymc_bnn.guides import MeanField
from pymc_bnn.inference.chains import Start, apart, at_once, run_chains
from pymc_bnn.inference.interrupts import interrupts
from pymc_bnn.inference.log_joint import log_joint
from pymc_bnn.inference.nuts import Nuts, Stats, Whitening
from pymc_bnn.inference.start import first_scales
from pymc_bnn.model.absent import check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.posterior.of_members import MemberPosterior
from pymc_bnn.posterior.sampling import LIMIT_BYTES
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import key_of, seed_of
from pymc_bnn.runtime.precision import narrow, precision
from pymc_bnn.runtime.sharding import mesh_of, replicate

__all__ = ["NutsOptions", "Refinement", "check_refinable", "refine"]

_PIECE_BYTES, _PIECE_ROWS = 2**25, 64  # of the draws that one call returns, at most
_TIMED, _TIMED_S = 5, 1.0  # calls at most, and seconds, to time one
_CHAINS = 4  # of a single fit
_TRIES = 20  # draws of a fit that are tried as a start
_LEAST_WEIGHT = 0.01  # of a member that gets a chain


@dataclass(frozen=True)
class NutsOptions:
    """How NUTS is run; arguments of :meth:`pymc_bnn.Approximation.refine`.

    Raises
    ------
    ValueError, TypeError
        For a bad option.

    Examples
    --------
    >>> NutsOptions(draws=0)
    Traceback (most recent call last):
        ...
    ValueError: `draws` must be an integer of at least 1, got 0; pass draws=200
    """

    draws: int = 200
    tune: int = 200
    chains: int | None = None
    target_accept: float = 0.8
    max_tree_depth: int = 8
    max_minutes: float | None = 10
    progressbar: bool = True
    devices: str | int | Sequence[Any] | None = None

    def __post_init__(self):
        set_int(self, "draws", 1, None, "pass draws=200")
        set_int(self, "tune", 1, None, "pass tune=200: step sizes have to be found")
        set_int(self, "max_tree_depth", 1, 15, "pass max_tree_depth=8")
        if self.chains is not None:
            set_int(self, "chains", 1, None, "pass chains=4, or leave it out")
        check_positive("target_accept", self.target_accept)
        if self.target_accept >= 1:
            rule, repair = "be a number in 0…1", "pass target_accept=0.9"
            raise invalid("target_accept", rule, self.target_accept, repair)
        if self.max_minutes is not None:
            check_positive("max_minutes", self.max_minutes)


@dataclass(frozen=True, eq=False)
class Refinement:
    """What NUTS left.

    Attributes
    ----------
    posterior : KeptDraws
        The draws.
    stats : dict from str to numpy.ndarray
        (chains, draws) each, named as PyMC names them.
    tune : int
        Steps before.
    max_tree_depth : int
        Doublings that were allowed.
    seconds : float
        That tuning and drawing took, compilation included.
    interrupted : bool
        Whether Ctrl-C ended it before the last draw.

    Examples
    --------
    >>> Refinement.__name__
    'Refinement'
    """

    posterior: KeptDraws
    stats: dict[str, np.ndarray]
    tune: int
    max_tree_depth: int
    seconds: float
    interrupted: bool = False
    estimate_s: float = field(default=0.0)  # what it was expected to take at most, uncompiled


def check_refinable(
    problem: Problem, kl_weight: float, points: Sequence[str], dropout: bool
) -> None:
    """Raise for a fit that NUTS cannot go on from, and warn where it samples something else.

    Examples
    --------
    >>> import warnings
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> problem = bnn.fit(model, steps=9, random_seed=1, progressbar=False).problem
    >>> with warnings.catch_warnings(record=True, action="always") as caught:
    ...     check_refinable(problem, 0.1, (), False)
    >>> str(caught[0].message)
    "refine: the fit's kl_weight was 0.1, the refined posterior has 1"
    """
    if problem.streamed:
        got = f"a sample of {problem.terms.n_rows} of {problem.n:,} examples"
        rule, repair = "hold all data to be refined", "fit a model that holds them, without `data`"
        raise invalid("model", rule, got, repair)
    check_there(problem.terms, "refine")
    found = []
    if kl_weight != 1:
        found.append(f"the fit's kl_weight was {kl_weight:g}, the refined posterior has 1")
    if dropout:
        found.append("the refined posterior is without dropout")
    if points:
        some = ", ".join(points[:3]) + (", …" if len(points) > 3 else "")
        found.append(f"what was a point ({some}) has a distribution")
    if found:
        warn(f"refine: {'; '.join(found)}")


def refine(
    problem: Problem, posterior: Posterior, options: NutsOptions, random_seed: Any
) -> Refinement | None:
    """Run NUTS from a fit; see :meth:`pymc_bnn.Approximation.refine`.

    Returns
    -------
    Refinement or None
        None after Ctrl-C before the first draw.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=900, random_seed=1, progressbar=False)
    >>> options = NutsOptions(draws=50, tune=50, progressbar=False)
    >>> refine(fitted.problem, fitted.posterior, options, 1).posterior.values["mu"].shape
    (4, 50)
    """
    optional_library("blackjax", "refine()")
    seed = seed_of(random_seed)
    members, shares = _chains(posterior, options.chains)
    chains = len(members)
    with precision(problem.dtype):
        numbers = sum(f.start.size for f in problem.terms.free)
        itemsize = np.dtype(problem.dtype).itemsize
        _check_size(options, chains, numbers, itemsize)
        rows = max(1, min(_PIECE_ROWS, _PIECE_BYTES // (chains * numbers * itemsize)))
        density = log_joint(problem.terms, problem.dtype)
        accept, depth = float(options.target_accept), int(options.max_tree_depth)
        mesh = mesh_of(options.devices)
        places = () if mesh is None else tuple(mesh.devices)
        if any(place.process_index != jax.process_index() for place in places):
            rule, repair = "be those of one process", "leave them out: each process has its own"
            raise invalid("devices", rule, repr(options.devices), repair)
        side_by_side = jax.default_backend() != "cpu" and len(places) < 2
        sampler = Nuts(problem, density, accept, depth, rows, chains, side_by_side)
        arrays = problem.terms.arrays().items()
        data = replicate({name: narrow(v, problem.dtype) for name, v in arrays}, None)
        began = time.perf_counter()
        with interrupts() as interrupted:
            whitening = _whitening(sampler, members)
            carry = _first(sampler, members, whitening, data, seed)
            given = key_of(seed, "refine"), data
            together = Start(carry, np.arange(chains, dtype=np.int32), whitening)
            starts = [together] if side_by_side else apart(together)
            estimate = _estimate(sampler, together, starts, given, options, len(places))
            label = (
                f"NUTS, {chains} chain{'s' if chains > 1 else ''}, at most {_duration(estimate)}:"
            )
            steps, shown = (options.tune, options.draws), options.progressbar
            done, positions, stats = run_chains(
                sampler, starts, given, *steps, label, shown, interrupted, places
            )
        seconds = time.perf_counter() - began
    if done <= options.tune:
        return None
    values = sampler.apart(np.swapaxes(positions, 0, 1))
    names = zip(Stats._fields, stats, strict=True)
    modes = len({id(m) for m in members})
    return Refinement(
        KeptDraws(values, shares, modes),
        {name: np.swapaxes(value, 0, 1) for name, value in names},
        options.tune,
        options.max_tree_depth,
        seconds,
        done < options.tune + options.draws,
        estimate,
    )


def _chains(posterior: Posterior, chains: int | None) -> tuple[list[Posterior], tuple[float, ...]]:
    """Return the fit that each chain starts from, and its share of the posterior.

    Members take turns, but for those of no weight. Chains have equal shares where members do.
    """
    members, weights = [posterior], [1.0]
    if isinstance(posterior, MemberPosterior):
        pairs = zip(posterior.members, posterior.weights, strict=True)
        members, weights = zip(*[pair for pair in pairs if pair[1] >= _LEAST_WEIGHT], strict=True)
    chains = chains or (len(members) if len(members) > 1 else _CHAINS)
    turns = np.arange(chains) % len(members)
    shares = np.ones(chains)
    if len(set(weights)) > 1:
        shares = np.asarray(weights)[turns] / np.bincount(turns)[turns]
    return [members[i] for i in turns], tuple((shares / shares.sum()).tolist())


def _whitening(sampler: Nuts, members: Sequence[Posterior]) -> Whitening:
    """Return means and scales of each chain's fit; points get those that a guide would start at."""
    terms, dtype = sampler.problem.terms, sampler.problem.dtype
    first: dict[str, np.ndarray] = {}
    if any(m.points for m in members):
        first = first_scales(terms, {f.name: ("", MeanField()) for f in terms.free}, dtype)
    locs, scales = [], []
    for member in members:
        means, stds = member.moments()
        stds = {k: np.where(v > 0, v, first.get(k, 1.0)) for k, v in stds.items()}
        locs.append(sampler.flat(means))
        scales.append(sampler.flat(stds))
    return Whitening(np.stack(locs).astype(dtype), np.stack(scales).astype(dtype))


def _first(
    sampler: Nuts, members: Sequence[Posterior], whitening: Whitening, data: Any, seed: int
) -> Any:
    """Start each chain at a draw of its fit where the density is finite.

    Raises
    ------
    ValueError
        If it is finite at none of some draws.
    """
    dtype, key = sampler.problem.dtype, key_of(seed, "start of chains")
    at: np.ndarray | None = None
    good = np.zeros(len(members), bool)
    for attempt in range(_TRIES):
        keys = jax.random.split(jax.random.fold_in(key, attempt), len(members))
        new = np.stack([sampler.flat(m.draw(k)) for m, k in zip(members, keys, strict=True)])
        new = ((new - whitening.loc) / whitening.scale).astype(dtype)
        at = new if at is None else np.where(good[:, None], at, new)
        carry = sampler.start(at, whitening, data)
        values = np.asarray(carry.state.logdensity), np.asarray(carry.state.logdensity_grad)
        good = np.isfinite(values[0]) & np.isfinite(values[1]).all(axis=1)
        if good.all():
            return carry
    rule = "have draws at which the model's log-density and its gradient are finite"
    got = f"none in {_TRIES} for chain {int(np.argmin(good))}"
    raise invalid("posterior", rule, got, "look at fitted.history: did the fit converge?")


def _check_size(options: NutsOptions, chains: int, numbers: int, itemsize: int) -> None:
    size = chains * options.draws * numbers * itemsize
    if size > LIMIT_BYTES:
        got = f"{options.draws} of {chains} chains and {numbers:,} numbers, {size / 2**30:.1f} GiB"
        raise invalid("draws", "need no more than 2 GiB of memory", got, "choose fewer draws")


def _estimate(
    sampler: Nuts,
    together: Start,
    starts: Sequence[Start],
    given: tuple[Any, Any],
    options: NutsOptions,
    places: int,
) -> float:
    """Return the seconds that all steps take if trajectories are as long as they may be.

    A gradient is timed first, in case it is slow; then a trajectory of the full length.

    Raises
    ------
    ValueError
        If that is longer than allowed.
    """
    longest, steps = 2**options.max_tree_depth - 1, options.tune + options.draws
    allowed = np.inf if options.max_minutes is None else 60 * options.max_minutes
    key, data = given
    at = together.carry.state.position, together.whitening, data
    seconds = _seconds(sampler.start, at) * steps * longest
    if seconds < allowed:
        carry, chain, whitening = starts[0]
        tiny = carry._replace(step_size=carry.step_size * carry.step_size.dtype.type(1e-4))
        stages = np.zeros((sampler.rows, 2), np.int32)
        one = tiny, chain, key, whitening, data, stages, np.int32(0), np.int32(1)  # never turns
        turns = -(-len(starts) // at_once(len(starts), places))
        seconds = _seconds(sampler.advance, one) * steps * turns
    if seconds > allowed:
        minutes, each = seconds / 60, 1000 * seconds / steps / longest
        rule = f"need no more than {options.max_minutes:g} minutes"
        got = (
            f"up to {minutes:,.0f}: {steps:,} steps of up to {longest} leapfrogs, "
            f"{each:.3g} ms each for {sampler.chains} chains"
        )
        allow = f"pass max_minutes={np.ceil(minutes):.0f} to wait, or a lower max_tree_depth"
        raise invalid("draws and tune", rule, got, f"choose fewer, {allow}")
    return seconds


def _seconds(function: Compiled, given: tuple[Any, ...]) -> float:
    """Return how long a call takes: the shortest of some, as the machine may have other work."""
    compiled, found = function.executable(*given), []
    while len(found) < 2 or (len(found) < _TIMED and sum(found) < _TIMED_S):
        began = time.perf_counter()
        jax.block_until_ready(compiled(*given))
        found.append(time.perf_counter() - began)
    return min(found)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
