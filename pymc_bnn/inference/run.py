"""Drives a loop to its end: progress, callbacks, Ctrl-C, and what an error leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax

from pymc_bnn._checks import invalid, set_int
from pymc_bnn.errors import NonFiniteError
from pymc_bnn.inference.ending import Ending
from pymc_bnn.inference.info import Info
from pymc_bnn.inference.interrupts import Interrupts, interrupts, say_interrupted
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.position import Position, give_back, states_of
from pymc_bnn.inference.progress import Progress
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.rescues import Rescues
from pymc_bnn.inference.slot import Slot
from pymc_bnn.inference.state import State
from pymc_bnn.runtime.turns import Launch, here, in_threads, results_of

__all__ = ["Around", "Ran", "Run", "RunOptions", "run", "running", "surrounded"]

_PIECE_S = 0.3  # how often the progress bar is drawn and Ctrl-C looked for
_KEEPING = 1 / 60  # share of the time at most for keeping the last good state: long pieces else
_STEPS = 100  # between calls of callbacks, where an epoch is one step


@dataclass(frozen=True)
class RunOptions:
    """What a run shows and whom it calls; arguments of :func:`pymc_bnn.fit`.

    Examples
    --------
    >>> RunOptions(chunk_steps=10).chunk(per_epoch=5)
    10
    """

    callbacks: Sequence[Any] = ()
    chunk_steps: int | None = None
    progressbar: bool = True
    member: int = 0
    members: int = 1
    label: str = ""  # said before the bar
    recover: int = 0  # how often to go back where a step is not finite

    def __post_init__(self):
        if self.chunk_steps is not None:
            set_int(self, "chunk_steps", 1, None, "pass chunk_steps=100, say")
        set_int(self, "recover", 0, None, "pass recover=3, say")
        if hasattr(self.callbacks, "on_chunk"):
            object.__setattr__(self, "callbacks", [self.callbacks])
        for callback in self.callbacks:
            if isinstance(callback, type) or not callable(getattr(callback, "on_chunk", None)):
                raise invalid(
                    "callbacks",
                    "have a method on_chunk(state, info)",
                    repr(callback),
                    "pass an instance, as in callbacks.EarlyStopping()",
                    TypeError,
                )

    def chunk(self, per_epoch: int) -> int:
        """Return the steps between calls of the callbacks.

        Examples
        --------
        >>> RunOptions().chunk(1)
        100
        """
        return self.chunk_steps or (per_epoch if per_epoch > 1 else _STEPS)


@dataclass(frozen=True)
class Around:
    """What surrounds runs: the bars, the flag of Ctrl-C, and where programs are computed.

    Examples
    --------
    >>> Around.__name__
    'Around'
    """

    bars: Progress
    interrupted: Interrupts
    launch: Launch = here


class Ran(NamedTuple):
    """How a run ended; for `say_interrupted` what was known of its length, and what is saved.

    Examples
    --------
    >>> Ran._fields
    ('state', 'record', 'known', 'saved')
    """

    state: State
    record: Record
    known: int | None
    saved: str


class Run(NamedTuple):
    """What is run: by `run`, or in turn with others by `running`.

    Attributes
    ----------
    begin : Position
        What makes the steps, and the state to begin from, which is used up.
    plan : Plan
        How many steps.
    options : RunOptions
        What is shown, and who is called.
    result : callable
        Makes of a state, a record and the program `of` the state what callbacks are given as
        `approximation`.
    explain : callable
        Says of a loop and its last finite state why the next step is not finite.
    keep : callable
        Makes of them what errors are given: the members before, too.
    slot : Slot, optional
        Where positions are kept; if there are some the run goes on from the last.

    Examples
    --------
    >>> Run._fields[:3]
    ('begin', 'plan', 'options')
    """

    begin: Position
    plan: Plan
    options: RunOptions
    result: Callable[[State, Record], Any]
    explain: Callable[[Loop, State], str]
    keep: Callable[[State, Record], Any]
    slot: Slot = Slot()


def run(how: Run) -> tuple[State, Record]:
    """Drive a loop in pieces, and the callbacks between chunks; see :func:`running`.

    Returns
    -------
    state : State
        The last one.
    record : Record
        Metrics of all steps.
    """
    with surrounded(how.options, how.slot.keeps) as around:
        [ran] = results_of([running(how, around)])
    if ran.record.interrupted or around.interrupted.terminated:
        say_interrupted(ran.record.steps, ran.known, saved=ran.saved)
    around.interrupted.pass_on()
    return ran.state, ran.record


@contextmanager
def surrounded(
    options: RunOptions, keeps: bool = False, count: int = 1, *, labels: bool = False
) -> Iterator[Around]:
    """Show bars, and look for Ctrl-C, and where something is kept for SIGTERM.

    Whoever uses it passes that on at the end.

    Parameters
    ----------
    options : RunOptions
        Whether bars are shown.
    keeps : bool, optional
        Whether runs are kept.
    count : int, optional
        How many programs are computed at once.
    labels : bool, optional
        Whether bars have labels.
    """
    shown = options.progressbar and jax.process_index() == 0
    with (
        in_threads(count) as launch,
        Progress(labels=labels or bool(options.label), enabled=shown) as bars,
        interrupts(terminates=keeps) as interrupted,
    ):
        yield Around(bars, interrupted, launch)


def running(how: Run, around: Around) -> Generator[None, None, Ran]:
    """Drive a loop in pieces, and the callbacks between chunks.

    A piece takes about a third of a second, or longer where the state is large. Where it is about
    to wait for a piece it yields, so that others, with which it may share what is around it, can go
    on.

    Returns
    -------
    Ran
        The last state, and the metrics of all steps.

    Raises
    ------
    NonFiniteError
        When a step is not finite, and no stage before it has ended.
    Exception
        What a callback or a stream raised, with an `approximation`.
    """
    begin, plan, options, result, explain, keep, slot = how
    per_epoch, callbacks, interrupted = plan.per_epoch, options.callbacks, around.interrupted
    chunk = options.chunk(per_epoch)
    at = slot.begin(begin, plan, callbacks)
    give_back(callbacks, at.callbacks)
    rescues = Rescues(options.recover, at)
    loop, state, ends, found, done, in_chunk = at.parts()
    in_chunk, cut, started = in_chunk % chunk, False, time.perf_counter() - at.elapsed_s
    saved = ""
    piece = 1 if jax.process_count() == 1 else chunk
    kept, spare = state, None  # a copy that nobody else has
    asked = [getattr(callback, "at_steps", None) for callback in callbacks]  # None: every chunk
    stops = {step for steps_asked in asked for step in steps_asked or ()}

    def position(state: State) -> Position:
        nonlocal spare
        spare = None
        elapsed, seen = time.perf_counter() - started, states_of(callbacks)
        now = loop, state, copy(ends), tuple(found), done, in_chunk, elapsed, seen
        return Position(*now, *rescues.kept)

    def look(state: State) -> Info:
        of = partial(result, of=loop.program)
        return Info(
            step=done,
            steps=ends.steps,
            epoch=done / per_epoch,
            elapsed_s=time.perf_counter() - started,
            kl_weight=float(loop.program.kl_weight_at(max(done - 1, 0))),
            metrics=_last(found, in_chunk),
            member=options.member,
            members=options.members,
            n=loop.program.problem.n,
            rate=rescues.rate,
            approximation=partial(_so_far, of, state, tuple(found)),
        )

    beginning = [callback for callback in callbacks if hasattr(callback, "on_begin")]
    if beginning:
        info = look(state)
        for callback in beginning:
            callback.on_begin(state, info)
    try:
        label = f"{options.member + 1}/{options.members}" if options.members > 1 else options.label
        bar = around.bars.row(ends.known, per_epoch, label)
        with _told_of_the_end(callbacks):
            if done:
                bar.update(done, Metrics.join(found), ends.known)
            while done < ends.next and not interrupted():
                left = ends.next - done
                now = min(piece, left, chunk - in_chunk if callbacks else left)
                now = min([now, *(stop - done for stop in stops if stop > done)])
                now = min(now, slot.left(done), rescues.left(done))
                began = time.perf_counter()
                kept = spare = loop.keep(state, spare)
                copied = time.perf_counter()
                rescues.look(done, loop, partial(position, kept))
                slot.look(done, partial(position, kept))
                stepped = time.perf_counter()
                answer = loop.advancing(state, now, interrupted, around.launch)
                state, metrics, finite = yield from answer
                took = max(time.perf_counter() - stepped, 1e-9)
                if not finite:
                    kept, before = loop.last_finite(kept, now)
                    found.append(before)
                    why = explain(loop, kept)
                    if (back := rescues.back(int(kept.step) + 1, why)) is not None:
                        give_back(callbacks, back.callbacks)
                        loop, state, ends, found, done, in_chunk = back.parts()
                        kept, piece = state, 1
                        continue
                    if ends.falls_back:
                        state = ends.fall_back(kept, why)
                        break
                    where = f"after step {int(kept.step)} is kept in this error's `approximation`."
                    kept = loop.whole(kept)
                    raise NonFiniteError(f"{why}\nThe state {where}", _so_far(keep, kept, found))
                now = len(metrics.nll)
                if not now:
                    continue  # interrupted while it waited
                keeping, kept = copied - began, state
                found.append(metrics)
                done, in_chunk = done + now, in_chunk + now
                if done == ends.next:
                    state = ends.after(state, done, found)
                bar.update(done, metrics, ends.known)
                if jax.process_count() == 1:  # else all processes run the same pieces
                    seconds = max(_PIECE_S, keeping / _KEEPING)
                    piece = max(1, min(2 * piece, int(seconds * now / took)))
                complete = in_chunk == chunk or done == ends.next
                due = [
                    callback
                    for callback, at in zip(callbacks, asked, strict=True)
                    if (complete if at is None else done in at)
                ]
                if due:
                    info = look(state)
                    answers = [callback.on_chunk(state, info) for callback in due]
                    if any(answers):
                        break
                if complete:
                    in_chunk = 0
                if ends.over(done) and loop.then is not None:
                    inner, loop = (loop.whole(state), ends), loop.then
                    state, piece, spare = loop.program.take_over(state), 1, None
                    ends = Ending(plan, loop.program, done, loop.then is None, inner)
            else:
                cut = done < ends.next
    except NonFiniteError:
        raise
    except Exception as error:
        error.approximation = _so_far(keep, loop.whole(kept), found)
        error.add_note("What was fitted so far is kept in this error's `approximation`.")
        raise
    if cut or (interrupted.terminated and done == ends.next):
        saved = slot.leave(done, partial(position, state))
    state = ends.better(loop.whole(state), found)
    record = Record(
        Metrics.join(found), cut, ends.rise, ends.settled, ends.gain, rescues.recoveries
    )
    try:
        ends.warn(done)
    except UserWarning as error:  # where warnings are errors
        error.approximation = keep(state, record)
        raise
    return Ran(state, record, ends.known, saved)


@contextmanager
def _told_of_the_end(callbacks: Sequence[Any]) -> Iterator[None]:
    """Tell callbacks that the fit has ended, however it did."""
    try:
        yield
    finally:
        for callback in callbacks:
            if hasattr(callback, "on_end"):
                callback.on_end()


def _so_far(result: Callable[..., Any], state: State, found: Sequence[Metrics]) -> Any:
    return result(state, Record(Metrics.join(found)))


def _last(found: list[Metrics], steps: int) -> Metrics:
    """Join the metrics of the last so many steps."""
    count, first = 0, len(found)
    while count < steps:
        first -= 1
        count += len(found[first].nll)
    return Metrics.join(found[first:]).last(steps)
