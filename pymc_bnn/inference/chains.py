"""Chains of NUTS, run in pieces, with a bar and Ctrl-C.

On CPUs, and where there are several devices, each chain is a run of its own, and as many as there
are cores go on at once: side by side all would wait for the longest trajectory at each step.
Elsewhere one program has them all.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from functools import partial
from itertools import cycle
from typing import Any, NamedTuple

import jax
import numpy as np

from pymc_bnn.inference.draw_progress import DrawProgress, say_stopped
from pymc_bnn.inference.nuts import Nuts, Stats, Whitening, stages_of
from pymc_bnn.runtime.turns import Launch, cores, in_threads, on_device, results_of

__all__ = ["Start", "apart", "at_once", "run_chains"]

_PIECE_S = 0.3  # how often the progress bar is drawn and Ctrl-C looked for


class Start(NamedTuple):
    """Where the chains of a run begin.

    Examples
    --------
    >>> Start._fields
    ('carry', 'chain', 'whitening')
    """

    carry: Any
    chain: Any  # number, or numbers (chains,)
    whitening: Whitening


def at_once(runs: int, places: int) -> int:
    """Return how many of the runs go on at once, where there are so many devices to go on at.

    Examples
    --------
    >>> at_once(4, places=4)
    4
    """
    return min(runs, max(cores(), places))


def apart(together: Start) -> list[Start]:
    """Return the start of each chain.

    Examples
    --------
    >>> both = Start(np.zeros(2), np.arange(2), Whitening(np.zeros((2, 3)), np.ones((2, 3))))
    >>> [one.whitening.loc.shape for one in apart(both)]
    [(3,), (3,)]
    """
    each = jax.device_get(together)
    return [jax.tree.map(lambda leaf, i=i: leaf[i], each) for i in each.chain]


def run_chains(
    sampler: Nuts,
    starts: Sequence[Start],
    given: tuple[Any, Any],
    tune: int,
    draws: int,
    label: str,
    shown: bool,
    interrupted: Callable[[], bool],
    places: Sequence[jax.Device] = (),
) -> tuple[int, np.ndarray, Stats]:
    """Make all steps in pieces; return how many were made, the draws and their statistics.

    Parameters
    ----------
    sampler : Nuts
        Of the chains.
    starts : sequence of Start
        Of each run.
    given : tuple of (jax.Array, dict)
        The key of random numbers, and the data.
    tune, draws : int
        Steps of each chain.
    label : str
        Said before the bar.
    shown : bool
        Whether there is one.
    interrupted : callable
        Tells whether Ctrl-C has come.
    places : sequence of jax.Device, optional
        Where runs go on, by turns.

    Returns
    -------
    done : int
        Steps that all chains have made.
    positions : numpy.ndarray
        (draws, chains, numbers), unconstrained; empty before the first draw.
    stats : Stats
        (draws, chains) each.
    """
    total, chains = tune + draws, sampler.chains
    steps, divergent = [0] * len(starts), [0] * len(starts)
    with (
        in_threads(at_once(len(starts), len(places))) as launch,
        DrawProgress(tune, draws, label, enabled=shown) as bar,
    ):

        def made(run: int, now: int, found: int) -> None:
            steps[run] += now
            divergent[run] += found
            bar.update(min(steps), sum(divergent))

        there = {place: jax.device_put(given, place) for place in places} or {None: given}
        runs = []
        for i, (start, place) in enumerate(zip(starts, cycle(there))):
            own = start, there[place], (tune, draws), interrupted, launch, partial(made, i)
            runs.append(on_device(_running(sampler, *own), place))
        kept = results_of(runs)
    done = min(steps)
    if done < total:
        say_stopped(done, tune, draws, chains)
    if done <= tune:
        return done, np.zeros(0), Stats(*[np.zeros(0)] * len(Stats._fields))
    # Each (draws, …) of one run; where Ctrl-C came between, as many as all have.
    runs = [jax.tree.map(lambda *parts: np.concatenate(parts)[: done - tune], *k) for k in kept]
    if sampler.side_by_side:
        return done, *runs[0]
    return done, *jax.tree.map(lambda *each: np.stack(each, axis=1), *runs)


def _running(
    sampler: Nuts,
    start: Start,
    given: tuple[Any, Any],
    steps: tuple[int, int],
    interrupted: Callable[[], bool],
    launch: Launch,
    made: Callable[[int, int], None],
) -> Generator[None, None, list[tuple[np.ndarray, Stats]]]:
    """Make the steps of one run, and yield while it waits; return its draws, piece by piece."""
    tune, total, rows = steps[0], sum(steps), sampler.rows
    stages = stages_of(*steps)
    stages = np.concatenate([stages, np.zeros((rows, 2), np.int32)])
    (carry, chain, whitening), (key, data) = start, given
    same = chain, key, whitening, data
    advance = sampler.advance.executable(carry, *same, stages[:rows], np.int32(0), np.int32(1))
    kept: list[tuple[np.ndarray, Stats]] = []
    done, piece = 0, 1
    while done < total and not interrupted():
        now = min(piece, rows, total - done)
        now = min(now, tune - done) if done < tune else now
        began, part = time.perf_counter(), stages[done : done + rows]
        answer = launch(advance, carry, *same, part, np.int32(done), np.int32(now))
        yield
        carry, positions, stats = jax.block_until_ready(answer())
        took, divergent = max(time.perf_counter() - began, 1e-9), 0
        if done >= tune:
            stats = Stats(*(_first_of(value, now) for value in stats))
            kept.append((_first_of(positions, now), stats))
            divergent = int(stats.diverging.sum())
        done += now
        made(now, divergent)
        piece = max(1, min(2 * piece, int(_PIECE_S * now / took)))
    return kept


def _first_of(array: jax.Array, count: int) -> np.ndarray:
    """Return the first few in host memory; JAX would compile a program for each number of them."""
    return np.asarray(array)[:count].copy()
