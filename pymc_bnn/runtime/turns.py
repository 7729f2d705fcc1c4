"""Several runs at once: each goes on in turn, while programs of the others compute in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import jax

__all__ = ["Launch", "cores", "here", "in_threads", "on_device", "results_of"]

Launch = Callable[..., Callable[[], Any]]
"""Begins a call of a function, given with its arguments; returns what waits for the answer."""


def cores() -> int:
    """Return how many cores this process may use; joblib says so to its workers.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    told = os.environ.get("PJRT_NPROC", "")
    if told.isdigit() and int(told):
        return int(told)
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def here(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
    """Call a function now.

    Examples
    --------
    >>> here(max, 1, 2)()
    2
    """
    answer = function(*args)
    return lambda: answer


@contextmanager
def in_threads(count: int) -> Iterator[Launch]:
    """Have so many programs computed at once, each in a thread; one is called where it is.

    What is launched has to be compiled, as JAX's settings hold in the thread that made them. XLA
    computes in turn what one thread gives it, so that a thread waits for its program.

    Examples
    --------
    >>> with in_threads(2) as launch:
    ...     answers = [launch(max, 1, 2), launch(min, 1, 2)]
    ...     [answer() for answer in answers]
    [2, 1]
    """
    if count == 1:
        yield here
        return
    with ThreadPoolExecutor(count, "pymc_bnn") as pool:

        def called(precise: bool, function: Callable[..., Any], *args: Any) -> Any:
            with jax.enable_x64(precise):  # as Python's numbers among the arguments are taken
                return jax.block_until_ready(function(*args))

        def launch(function: Callable[..., Any], *args: Any) -> Callable[[], Any]:
            return pool.submit(called, jax.config.jax_enable_x64, function, *args).result

        yield launch


def on_device[T](
    run: Generator[None, None, T], device: jax.Device | None
) -> Generator[None, None, T]:
    """Return a run whose arrays are made on a device, whatever runs go on between its turns.

    None leaves them where JAX is told to have them.

    Examples
    --------
    >>> def run():
    ...     yield
    ...     return jax.numpy.zeros(3).devices()
    >>> device = jax.devices()[-1]
    >>> results_of([on_device(run(), device)]) == [{device}]
    True
    """
    if device is None:
        return (yield from run)
    while True:
        with jax.default_device(device):
            try:
                next(run)
            except StopIteration as end:
                return end.value
        yield


def results_of[T](runs: Sequence[Generator[None, None, T]]) -> list[T]:
    """Let runs go on in turn to their ends, and return what each returns.

    Examples
    --------
    >>> def run(steps):
    ...     for _ in range(steps):
    ...         yield
    ...     return steps
    >>> results_of([run(3), run(1)])
    [3, 1]
    """
    found: dict[int, T] = {}
    while len(found) < len(runs):
        for number, run in enumerate(runs):
            if number in found:
                continue
            try:
                next(run)
            except StopIteration as end:
                found[number] = end.value
    return [found[number] for number in range(len(runs))]
