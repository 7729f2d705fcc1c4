"""Fit a PyMC model by minibatch variational inference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import optax
import pymc as pm

from pymc_bnn._checks import check_int, check_positive, invalid
from pymc_bnn.approximation import Approximation
from pymc_bnn.callbacks import Info, Progress
from pymc_bnn.data.epochs import EpochPlan
from pymc_bnn.data.streams import STALL_S, BatchSpec, open_stream
from pymc_bnn.elbo import assemble, check_closed_forms, check_spec, needs_rows
from pymc_bnn.errors import NonFiniteError
from pymc_bnn.guides import JointGuide, assign_guides
from pymc_bnn.inference.diagnosis import check_first, diagnose
from pymc_bnn.inference.interrupts import interrupts, say_interrupted
from pymc_bnn.inference.loop import Loop, State, Step, StreamLoop, all_finite, copy_state
from pymc_bnn.inference.optimizer import adam
from pymc_bnn.inference.schedules import kl_schedule
from pymc_bnn.inference.start import check_start, starting_blocks
from pymc_bnn.model.columns import with_columns
from pymc_bnn.model.decompose import check_model, shapes_must_agree
from pymc_bnn.model.labels import warn_of_few
from pymc_bnn.model.support import Support
from pymc_bnn.model.whole_or_rows import by_rows, rows_stand_alone, take_apart
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.runtime.precision import narrow, precision
from pymc_bnn.runtime.sharding import mesh_of, replicate

if TYPE_CHECKING:
    from pymc_bnn.data.streams import Batch
    from pymc_bnn.elbo.choose import Spec
    from pymc_bnn.guides import Guide
    from pymc_bnn.model.decompose import ModelTerms

__all__ = ["NonFiniteError", "fit"]

_PIECE_S = 0.3  # how often the progress bar is drawn and Ctrl-C looked for
_KEEPING = 1 / 20  # share of the time at most for keeping the last good state: long pieces else
_ENOUGH_ROWS = 10  # of a sample, to see whether rows depend on each other


def fit(
    model: pm.Model | None = None,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    data: Iterable[Any] | None = None,
    total_size: int | None = None,
    stall_timeout: float = STALL_S,
    batch_size: int | str | None = "auto",
    rows: str | Sequence[str] | None = None,
    guide: Guide | Mapping[str, Guide] | None = None,
    estimator: Spec = "auto",
    particles: int = 1,
    start: Mapping[str, Any] | Approximation | None = None,
    optimizer: optax.GradientTransformation | None = None,
    learning_rate: float | None = None,
    scale_learning_rate: float | None = None,
    kl_weight: float | Callable[[Any], Any] = 1.0,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
    callbacks: Sequence[Any] = (),
    chunk_steps: int | None = None,
    dtype: str = "float32",
    devices: str | int | Sequence[Any] | None = None,
) -> Approximation:
    r"""Fit an approximate posterior to a PyMC model by minibatch variational inference on JAX.

    Maximises the full-data evidence lower bound

    .. math:: \mathrm{ELBO} = \frac{N}{B}\sum_{i \in \text{batch}} E_q \log p(y_i \mid z)
              - w\,\mathrm{KL}(q(z)\,\|\,p(z))

    over the guides q, by default independent Normal distributions in the unconstrained space; N is
    the number of examples, B the batch's size and w the `kl_weight`. The KL is exact where the
    prior and the guide have a closed form. The model, its guides and the estimator of the ELBO's
    gradient are chosen independently; the model is not changed.

    Parameters
    ----------
    model : pymc.Model, optional
        Any PyMC model with continuous free variables; by default the model of the context.
    steps, epochs : int
        How long to train; give one of them. An epoch shows every example once: of `data`, one
        pass over it.
    data : iterable, optional
        Batches of data that do not fit into memory: a torch ``DataLoader``, a `grain` loader, a
        generator over memory-mapped files. The model then holds a small sample, of which names,
        shapes and types are taken, and each batch maps the names of all data that vary per example
        (of `pm.Data` and observed variables) to arrays, or is a tuple of them in the model's order:
        anything ``np.asarray`` takes, with any number of rows up to the batch size (of DataFrames
        the first tells the order of the columns). It is gone over
        again and again, as long as it can be; the order is its own. A thread checks batches, pads
        them and puts them on the device, two ahead. A row counts as often as there are batches in
        the first pass, whatever its batch (:class:`pymc_bnn.data.passes.Passes`): the order may be
        fixed, and the last batch shorter; one of less than a quarter of the first is warned of.
    total_size : int, optional
        N where batches come from `data`; by default ``data.total_size`` or ``len(data.dataset)``.
    stall_timeout : float, optional
        Seconds after which a `data` that yields nothing is an error.
    batch_size : int, "auto" or None, optional
        Examples per step, in 1…N. "auto": 256, or all of them where there are fewer, or where
        the observed variables have different lengths. None: all data in every step, nothing is
        taken row by row. Batches of an epoch differ in size by at most one. With `data`: the
        largest batch there is, to which smaller ones are padded; "auto": the first batch's.
    rows : str or sequence of str, optional
        The dimension of the examples, or the names of the data that vary per example. By default
        found from dims and lengths (see :func:`pymc_bnn.model.decompose.find_rows`).
    guide : Guide or mapping from str to Guide, optional
        The family of approximate posteriors (see :mod:`pymc_bnn.guides`), or families by name
        pattern, such as ``{"*_sigma": FullRank(), "conv*": Delta()}``; the first pattern that
        matches wins, and what none matches has ``MeanField()``. Guides also say how wide
        posteriors start.
    estimator : str, Estimator or mapping, optional
        How the ELBO's gradient is estimated: "pathwise", "local" (local reparameterisation, for
        dense layers), "flipout", "local_approx" (biased), or "auto", the default, which takes
        "local" where it is exact and "pathwise" elsewhere; or these by name pattern. See
        ``fitted.summary()`` for what each variable got.
    particles : int, optional
        Draws per step over which the ELBO is averaged, at least 1.
    start : mapping or Approximation, optional
        First values of variables by name, in the model's own space, or an earlier fit to go on
        from: what has the same name, shape and transform is taken over, posterior scales included;
        where a name has another shape or transform a warning lists what was taken and what not.
        The optimiser starts afresh, at its full learning rates.
    optimizer : optax.GradientTransformation, optional
        For the loss −ELBO/N. By default :func:`pymc_bnn.adam` with the two learning rates.
    learning_rate, scale_learning_rate : float, optional
        Of the default optimiser's locations and of everything else (log-scales), above 0; 0.01
        and 0.03 if not given.
    kl_weight : float or callable, optional
        Weight w of the KL, and of the log prior of points: a number above 0, or a schedule
        (optax's, say) that maps the step, counted from 0, to a number of at least 0, above 0 at
        the last step. 1 is the posterior, below 1 a cold posterior, which has to be labelled so.
        The history holds the unweighted ELBO.
    random_seed : int or numpy.random.Generator, optional
        The same seed gives the same numbers on the same machine.
    progressbar : bool, optional
        Show steps, rate, remaining time and a smoothed ELBO.
    callbacks : sequence, optional
        Objects with ``on_chunk(state, info)``, called between chunks, or after the steps they
        name; a true return value stops the fit. See :mod:`pymc_bnn.callbacks`.
    chunk_steps : int, optional
        Steps between calls of the callbacks; by default an epoch, or 100 steps without
        minibatches. It does not change the numbers.
    dtype : {"float32", "float64"}, optional
        Precision of the fit, whatever ``floatX`` the model has.
    devices : "all", int or sequence of jax.Device, optional
        Split the rows of each batch over several devices: all, the first few, or these; by
        default one. The numbers are those of one device up to the order of sums. After
        ``jax.distributed.initialize()`` the devices are those of all processes, each of which has
        to make the same call with the same data; Ctrl-C then has to reach them all.

    Returns
    -------
    Approximation
        The fitted posterior, with its history. After Ctrl-C: what was learned so far, with
        `interrupted` true and a line on stderr (press it twice to leave at once).

    Raises
    ------
    ValueError, TypeError
        For a bad argument, model or data, before anything is compiled.
    NonFiniteError
        When NaN or infinity turns up; its `approximation` is the last finite state.
    StreamError
        When `data` fails, stalls or ends before the steps are done; it and the errors of bad
        batches have what was learned as their `approximation`, too.

    References
    ----------
    Kucukelbir et al., *Automatic differentiation variational inference*, JMLR 18 (2017),
    algorithm 1. Blundell et al., *Weight uncertainty in neural networks*, ICML 2015, eq. 8.

    Examples
    --------
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu", 0, 10)
    ...     y = pm.Normal("y", mu, 1, observed=np.array([1.0, 2.0, 3.0]))
    >>> fitted = fit(model, steps=2000, random_seed=1, progressbar=False)
    >>> abs(float(fitted.mean["mu"]) - 2.0) < 0.1
    True

    Batches from a file that is never read as a whole:

    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> file = np.memmap(folder.name + "/y.bin", "float32", "w+", shape=(1000, 2))
    >>> file[:] = np.random.default_rng(0).normal([1, 5], 1, (1000, 2))
    >>> class Batches:  # an iterable that can be gone over again
    ...     def __iter__(self):
    ...         for start in range(0, 1000, 100):
    ...             yield {"y": file[start : start + 100]}
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu", 0, 10, shape=2)
    ...     y = pm.Normal("y", mu, 1, observed=file[:5], shape=(5, 2))
    >>> fitted = fit(
    ...     model, data=Batches(), total_size=1000, steps=2000, random_seed=1, progressbar=False
    ... )
    >>> bool(abs(fitted.mean["mu"] - [1, 5]).max() < 0.2)
    True
    >>> folder.cleanup()
    """
    model = pm.modelcontext(model)
    if (steps is None) == (epochs is None):
        raise invalid(
            "steps",
            "be given, or `epochs`, and not both",
            f"steps={steps} and epochs={epochs}",
            "pass one of them",
        )
    for name, value in {"steps": steps, "epochs": epochs, "chunk_steps": chunk_steps}.items():
        if value is not None:
            check_int(name, value, 1, None, f"pass {name}=100, say")
    check_int("particles", particles, 1, None, "pass particles=1, or a few")
    if not callable(kl_weight):
        check_positive("kl_weight", kl_weight)
    for name, value in (
        ("learning_rate", learning_rate),
        ("scale_learning_rate", scale_learning_rate),
    ):
        if value is not None:
            check_positive(name, value)
    rates = {"learning_rate": learning_rate, "scale_learning_rate": scale_learning_rate}
    rates = {name: rate for name, rate in rates.items() if rate is not None}
    if optimizer is not None and rates:
        raise invalid(
            "optimizer",
            "come without learning rates, which belong to the default optimiser",
            f"it and {rates}",
            "set the rates in the optimiser, or use optimizer=bnn.adam(steps, …)",
        )
    if optimizer is not None and not isinstance(optimizer, optax.GradientTransformation):
        raise invalid(
            "optimizer",
            "be an optax.GradientTransformation",
            repr(optimizer),
            "pass optax.adam(0.01), say",
            TypeError,
        )
    if dtype not in ("float32", "float64"):
        raise invalid("dtype", 'be "float32" or "float64"', repr(dtype), "choose one of them")
    if hasattr(callbacks, "on_chunk"):
        callbacks = [callbacks]
    for callback in callbacks:
        if isinstance(callback, type) or not callable(getattr(callback, "on_chunk", None)):
            raise invalid(
                "callbacks",
                "have a method on_chunk(state, info)",
                repr(callback),
                "pass an instance, as in callbacks.EarlyStopping()",
                TypeError,
            )
    check_spec(estimator)
    mesh = mesh_of(devices)
    check_model(model)
    assigned = assign_guides(guide, [rv.name for rv in model.free_RVs])
    check_start(start, model)
    seed = seed_of(random_seed)
    if data is None and total_size is not None:
        rule, repair = "come with `data`", "leave it out: N is the number of the model's rows"
        raise invalid("total_size", rule, total_size, repair)
    if data is not None and mesh is not None:
        rule, repair = "be left out where `data` come in batches", "fit on one device"
        raise invalid("devices", rule, repr(devices), repair)
    with ExitStack() as stack:
        stream = None
        if data is None:
            terms, size, row_terms = take_apart(
                model, batch_size, rows, seed, needs_rows(estimator) or mesh is not None
            )
            batches = None if size is None else EpochPlan(terms.n_rows, size)
        else:
            terms = by_rows(model, rows, seed)
            form = BatchSpec.of(terms, dtype)
            stream, batches = open_stream(
                data,
                form,
                total_size=total_size,
                batch_size=batch_size,
                epochs=epochs,
                stall_timeout=stall_timeout,
            )
            stack.enter_context(stream)
            _check_rows_of(stream.peek(), terms, seed)
            terms = row_terms = with_columns(terms, form.columns)
        warn_of_few(terms, batches.n if batches else terms.n_observed, stream is None)
        if mesh is not None and batches is None:
            rule = "be left out where the likelihood does not come by rows"
            raise invalid("devices", rule, repr(devices), "pass batch_size=128, say")
        per_epoch = batches.per_epoch if batches else 1
        steps = steps if steps is not None else epochs * per_epoch
        weight_at = kl_schedule(kl_weight, steps)
        if optimizer is None:
            optimizer = adam(steps, **rates)
        if chunk_steps is None:
            chunk_steps = per_epoch if per_epoch > 1 else 100

        with precision(dtype):
            blocks = starting_blocks(terms, assigned, start, dtype, seed)
            posterior = JointGuide(blocks, dtype)
            first = {b.name: b.params for b in blocks}
            support, shown = Support(terms, stream is None), {}
            if stream is not None:
                shown = {k: v[: stream.peek().size] for k, v in stream.peek().rows.items()}
            check_first(terms, posterior, first)
            support.check_start(posterior.draws(first, seed), shown)
            elbo = assemble(terms, posterior, dtype, estimator)
            check_closed_forms(terms)
            step = Step(
                elbo=elbo,
                optimizer=optimizer,
                kl_weight=kl_weight if callable(kl_weight) else float(kl_weight),
                batches=batches,
                rows=frozenset(d.name for d in terms.data if d.per_example),
                dtype=dtype,
                n=batches.n if batches else terms.n_observed,
                particles=particles,
                groups=terms.groups,
                mesh=mesh,
            )
            state = step.first_state(first, seed)
            arrays = {k: narrow(v, dtype) for k, v in terms.arrays().items()}
            arrays = replicate(arrays, mesh)
            if stream is None:
                with shapes_must_agree(terms.data):
                    loop = Loop(step, state, arrays)
            else:
                rest = {k: v for k, v in arrays.items() if k not in step.rows}
                loop = StreamLoop(step, rest, stream)

            predictors: dict[Any, Any] = {}

            def result(state: State, traces: Sequence[np.ndarray]) -> Approximation:
                return Approximation(
                    terms=terms,
                    row_terms=row_terms,
                    posterior=posterior,
                    elbo_parts=elbo,
                    params=jax.device_get(state.params),
                    trace=np.concatenate([np.zeros((0, 3)), *traces]),
                    batches=batches,
                    kl_weights=weight_at,
                    dtype=dtype,
                    predictors=predictors,
                )

            fitted = _run(
                loop,
                state,
                steps,
                per_epoch,
                chunk_steps,
                callbacks,
                progressbar,
                result,
                weight_at,
            )
            try:
                support.warn_at_end(posterior.draws(fitted.params, seed), shown)
            except BaseException as error:  # a warning that is an error, or Ctrl-C
                error.approximation = fitted
                raise
            return fitted


def _check_rows_of(batch: Batch, terms: ModelTerms, seed: int) -> None:
    """Check on the first batch that rows stand alone, where the model's sample is too small."""
    if terms.n_rows >= min(_ENOUGH_ROWS, batch.size):
        return
    rows = {name: np.asarray(value)[: batch.size] for name, value in batch.rows.items()}
    data = tuple(replace(d, value=rows.get(d.name, d.value)) for d in terms.data)
    terms = replace(terms, data=data, n_rows=batch.size)
    rows_stand_alone(terms, seed, batch.size)


def _run(
    loop: Loop | StreamLoop,
    state: State,
    steps: int,
    per_epoch: int,
    chunk_steps: int,
    callbacks: Sequence[Any],
    progressbar: bool,
    result: Callable[[State, Sequence[np.ndarray]], Approximation],
    kl_weights: Callable[[Any], np.ndarray],
) -> Approximation:
    """Drive the loop in pieces, and the callbacks between chunks.

    A piece takes about a third of a second, or longer where the state is large.
    """
    traces: list[np.ndarray] = []
    done, in_chunk, cut, started = 0, 0, False, time.perf_counter()
    piece = 1 if jax.process_count() == 1 else chunk_steps
    kept = state
    asked = [getattr(callback, "at_steps", None) for callback in callbacks]  # None: every chunk
    stops = {step for steps_asked in asked for step in steps_asked or ()}
    try:
        shown = progressbar and jax.process_index() == 0
        with Progress(steps, per_epoch, enabled=shown) as bar, interrupts() as interrupted:
            while done < steps and not interrupted():
                now = min(piece, steps - done, chunk_steps - in_chunk if callbacks else steps)
                now = min([now, *(stop - done for stop in stops if stop > done)])
                began = time.perf_counter()
                kept = copy_state(state)
                copied = time.perf_counter()
                state, trace = loop.advance(state, now, interrupted)
                took = max(time.perf_counter() - copied, 1e-9)
                if not len(trace):
                    continue  # interrupted while it waited
                if not (np.isfinite(trace).all() and all_finite(state)):
                    last, finite = loop.until_not_finite(kept, now)
                    raise _non_finite(loop, last, result(last, [*traces, finite]))
                keeping = time.perf_counter() - began - took
                kept, now = state, len(trace)
                traces.append(trace)
                done, in_chunk = done + now, in_chunk + now
                bar.update(done, trace)
                if jax.process_count() == 1:  # else all processes run the same pieces
                    seconds = max(_PIECE_S, keeping / _KEEPING)
                    piece = max(1, min(2 * piece, int(seconds * now / took)))
                complete = in_chunk == chunk_steps or done == steps
                due = [
                    callback
                    for callback, at in zip(callbacks, asked, strict=True)
                    if (complete if at is None else done in at)
                ]
                if due:
                    info = Info(
                        step=done,
                        steps=steps,
                        epoch=done / per_epoch,
                        elapsed_s=time.perf_counter() - started,
                        kl_weight=float(kl_weights(done - 1)),
                        trace=_last(traces, in_chunk),
                        approximation=partial(result, state, tuple(traces)),
                    )
                    answers = [callback.on_chunk(state, info) for callback in due]
                    if any(answers):
                        break
                if complete:
                    in_chunk = 0
            else:
                cut = done < steps
    except NonFiniteError:
        raise
    except Exception as error:
        error.approximation = result(kept, traces)
        error.add_note("What was fitted so far is kept in this error's `approximation`.")
        raise
    if cut:
        say_interrupted(done, steps)
    return replace(result(state, traces), interrupted=cut)


def _last(traces: list[np.ndarray], steps: int) -> np.ndarray:
    """Join the traces of the last so many steps."""
    count, first = 0, len(traces)
    while count < steps:
        first -= 1
        count += len(traces[first])
    return np.concatenate(traces[first:])


def _non_finite(
    loop: Loop | StreamLoop, state: State, approximation: Approximation
) -> NonFiniteError:
    (nll, kl, _), bad = loop.not_finite(state)
    where = f"the gradient of '{bad[0]}'" if bad else "a parameter after the optimiser's update"
    if len(bad) > 1:
        where += f" (and of {len(bad) - 1} more variables)"
    fitted, why, repair = approximation, None, ""
    if jax.process_count() == 1:
        why, repair = diagnose(fitted.terms, fitted.posterior, fitted.params, loop.last)
    if not repair and why is not None and state.step == 0:
        repair = (
            "check that the observed values lie in the likelihood's support, and start the "
            "variables where they do: pass initval= to them, or start= to fit"
        )
    repair = repair or (
        "try a smaller learning_rate and scale_learning_rate, a guide with a smaller "
        "init_scale, or data and priors on a scale near 1; "
        'dtype="float64" tells overflow from a wrong model'
    )
    return NonFiniteError(
        f"fit stopped at step {int(state.step) + 1}: {why or where + ' became NaN or infinite'} "
        f"(negative log-likelihood {nll:.6g}, KL {kl:.6g} at that step).\n"
        f"{repair[0].upper()}{repair[1:]}.\n"
        f"The state after step {int(state.step)} is kept in this error's `approximation`.",
        approximation,
    )
