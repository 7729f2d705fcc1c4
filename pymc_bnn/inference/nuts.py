"""The No-U-Turn sampler on a problem, in coordinates that a fit whitened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pymc_bnn._checks import invalid
from pymc_bnn.model.problem import Problem
from pymc_bnn.runtime.compilation import Compiled

__all__ = ["Carry", "Nuts", "Stats", "Whitening", "stages_of"]

_FAST, _SLOW, _DRAW = 0, 1, 2  # adapt the step size; the variances as well; nothing
_ENDS, _LAST = 1, 2  # of a window of slow steps; of tuning
_WINDOWS_FROM = 40  # steps of tuning
_PRIOR_DRAWS = 20.0  # that the fit's variances count for beside those of a window


class Whitening(NamedTuple):
    """Where each chain's coordinates have their origin, and their units: z = loc + scale · u."""

    loc: Any  # (chains, numbers)
    scale: Any  # (chains, numbers), above 0


class Stats(NamedTuple):
    """What NUTS tells of a draw, (chains,) each."""

    lp: Any  # log-density of the model
    energy: Any  # the Hamiltonian's
    acceptance_rate: Any  # mean over the trajectory
    step_size: Any  # of a leapfrog, in whitened coordinates
    tree_depth: Any  # doublings
    n_steps: Any  # leapfrogs
    diverging: Any  # whether the energy was lost
    reached_max_treedepth: Any  # whether it ended before it turned


class Carry(NamedTuple):
    """The state of all chains; of one without the axis."""

    state: Any  # blackjax's: position, log-density, gradient
    averaging: Any  # of the step size
    moments: Any  # of the positions of a window
    step_size: Any  # (chains,)
    variances: Any  # (chains, numbers) inverse mass matrix


def stages_of(tune: int, draws: int) -> np.ndarray:
    """Return for each step (steps, 2) what is adapted, and what ends with it.

    As Stan does: step sizes first, then variances in windows that double, and step sizes again. A
    fifth of the steps come before the windows and a quarter behind them, as a short end leaves step
    sizes that were not found yet; of fewer than 40 steps there are no windows.

    Examples
    --------
    >>> stages_of(2, 3).tolist()
    [[0, 0], [0, 2], [2, 0], [2, 0], [2, 0]]
    >>> np.flatnonzero(stages_of(200, 0)[:, 1]).tolist()
    [75, 149, 199]
    """
    stages = np.zeros((tune + draws, 2), np.int32)
    stages[tune:, 0] = _DRAW
    if tune >= _WINDOWS_FROM:
        first, last = tune // 5, tune - tune // 4
        window = max((last - first) // 3, 1)
        while first < last:
            end = first + window if first + 3 * window <= last else last
            stages[first:end, 0], stages[end - 1, 1] = _SLOW, _ENDS
            first, window = end, 2 * window
    stages[tune - 1, 1] = _LAST
    return stages


@dataclass(frozen=True, eq=False)
class Nuts:
    """The compiled sampler of a problem.

    Positions are (chains, numbers), all free variables one after the other. Functions take the
    problem's data, so that they are compiled once for all fits of a model.

    Attributes
    ----------
    problem : Problem
        Whose joint density is sampled: all data, the KL's weight 1, no dropout.
    log_joint : callable
        That density, lifted (:func:`pymc_bnn.inference.log_joint.log_joint`).
    target_accept : float
        Mean acceptance that step sizes are tuned for.
    max_tree_depth : int
        Doublings of a trajectory at most.
    rows : int
        Steps of one call at most.
    chains : int
        How many there are in all.
    side_by_side : bool
        Whether one program makes a step of all chains; else of one.

    Examples
    --------
    >>> Nuts.__name__
    'Nuts'
    """

    problem: Problem
    log_joint: Callable[..., Any]
    target_accept: float
    max_tree_depth: int
    rows: int
    chains: int
    side_by_side: bool

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the free variables, unconstrained."""
        return {f.name: f.start.shape for f in self.problem.terms.free}

    def flat(self, values: Mapping[str, Any]) -> np.ndarray:
        """Return values of all free variables as one vector.

        Raises
        ------
        ValueError
            For values of other shapes.
        """
        for name, shape in self.shapes.items():
            if np.shape(values[name]) != shape:
                raise invalid("values", f"have shape {shape} for '{name}'", "others", "pass such")
        parts = [np.ravel(np.asarray(values[name], float)) for name in self.shapes]
        return np.concatenate(parts)

    def apart(self, vector: Any) -> dict[str, Any]:
        """Return values by name of vectors (…, numbers)."""
        found, first = {}, 0
        for name, shape in self.shapes.items():
            size = int(np.prod(shape))
            found[name] = vector[..., first : first + size].reshape(*vector.shape[:-1], *shape)
            first += size
        return found

    def _density(self, whitening: Whitening, data: Any) -> Callable[[Any], Any]:
        """Return one chain's log-density of its whitened position."""
        return lambda u: self.log_joint(self.apart(whitening.loc + whitening.scale * u), data)

    @cached_property
    def start(self) -> Compiled:
        """The compiled ``start(positions, whitening, data) -> Carry`` of all chains."""
        import blackjax

        begin, _, _ = self._averaging
        fresh, _, _ = self._moments

        def one(u: Any, whitening: Whitening, data: Any) -> Carry:
            state = blackjax.nuts.init(u, self._density(whitening, data))
            step_size = jnp.asarray(len(u) ** -0.25, u.dtype)
            return _typed(
                Carry(state, begin(step_size), fresh(len(u)), step_size, jnp.ones_like(u)), u.dtype
            )

        return Compiled(jax.vmap(one, in_axes=(0, 0, None)))

    @cached_property
    def advance(self) -> Compiled:
        """The compiled ``advance(carry, chain, key, whitening, data, stages, first, n)``.

        Makes `n` steps, the first of which has a number, adapting as `stages` (rows, 2) say, of the
        chain of a number or, side by side, of those of several. Returns the carry, positions (rows,
        …, numbers) in the model's unconstrained space, and their :class:`Stats`.
        """
        axes = (0, 0, 0, None, None, None)
        step = jax.vmap(self._step, in_axes=axes) if self.side_by_side else self._step

        def run(
            carry: Carry,
            chain: Any,
            key: Any,
            whitening: Whitening,
            data: Any,
            stages: Any,
            first: Any,
            n: Any,
        ) -> Any:
            def once(i: Any, carry: Carry) -> Any:
                keys = jax.random.split(jax.random.fold_in(key, first + i), self.chains)
                return step(carry, keys[chain], whitening, data, stages[i, 0], stages[i, 1])

            def body(i: Any, kept: Any) -> Any:
                carry, positions, stats = kept
                carry, found = once(i, carry)
                z = whitening.loc + whitening.scale * carry.state.position
                put = jax.lax.dynamic_update_index_in_dim
                stats = jax.tree.map(lambda all_, new: put(all_, new, i, 0), stats, found)
                return carry, put(positions, z, i, 0), stats

            _, shapes = jax.eval_shape(once, 0, carry)
            stats = jax.tree.map(lambda s: jnp.zeros((self.rows, *s.shape), s.dtype), shapes)
            positions = jnp.zeros((self.rows, *whitening.loc.shape), whitening.loc.dtype)
            return jax.lax.fori_loop(0, n, body, (carry, positions, stats))

        return Compiled(run)

    @cached_property
    def _averaging(self) -> Any:
        from blackjax.adaptation.step_size import dual_averaging_adaptation

        return dual_averaging_adaptation(self.target_accept)

    @cached_property
    def _moments(self) -> Any:
        from blackjax.adaptation.mass_matrix import welford_algorithm

        return welford_algorithm(is_diagonal_matrix=True)

    def _step(
        self, carry: Carry, key: Any, whitening: Whitening, data: Any, stage: Any, ends: Any
    ) -> tuple[Carry, Stats]:
        """Make a step of one chain."""
        import blackjax

        begin, average, averaged = self._averaging
        fresh, add, summed = self._moments
        used = carry.step_size
        state, info = blackjax.nuts.build_kernel()(
            key,
            carry.state,
            self._density(whitening, data),
            used,
            carry.variances,
            self.max_tree_depth,
        )
        reached = (info.num_trajectory_expansions >= self.max_tree_depth) & ~info.is_turning
        accepted = jnp.nan_to_num(info.acceptance_rate)
        averaging = _where(stage < _DRAW, average(carry.averaging, accepted), carry.averaging)
        moments = _where(stage == _SLOW, add(carry.moments, state.position), carry.moments)
        found, count, _ = summed(moments)
        weight = count / (count + _PRIOR_DRAWS)
        # Towards the variances of the fit, which are 1 here.
        variances = jnp.where(ends == _ENDS, weight * found + 1 - weight, carry.variances)
        averaging = _where(ends == _ENDS, begin(averaged(averaging)), averaging)
        moments = _where(ends == _ENDS, fresh(len(state.position)), moments)
        step_size = jnp.where(stage < _DRAW, jnp.exp(averaging.log_step_size), used)
        step_size = jnp.where(ends == _LAST, averaged(averaging), step_size)
        after = Carry(state, averaging, moments, step_size, variances)
        stats = Stats(
            state.logdensity,
            info.energy,
            accepted,
            used,
            info.num_trajectory_expansions,
            info.num_integration_steps,
            info.is_divergent,
            reached & ~info.is_divergent,
        )
        return _typed(after, state.position.dtype), stats


def _where(condition: Any, one: Any, other: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(condition, a, b), one, other)


def _typed(carry: Carry, dtype: Any) -> Carry:
    """Return the carry with arrays of fixed types, as loops want them."""

    def typed(leaf: Any) -> Any:
        leaf = jnp.asarray(leaf)
        real = jnp.issubdtype(leaf.dtype, jnp.floating)
        return leaf.astype(dtype if real else jnp.int32)

    return jax.tree.map(typed, carry)
