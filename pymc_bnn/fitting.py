"""Fit a PyMC model by minibatch variational inference."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pymc as pm
from pymc.distributions.discrete import Categorical

from pymc_bnn._checks import check_int, invalid
from pymc_bnn.approximation import Approximation
from pymc_bnn.batches import Batches, check_rows
from pymc_bnn.callbacks import Info, Progress
from pymc_bnn.decompose import (
    Terms,
    check_model,
    decompose,
    find_rows,
    normal_sigmas,
    shapes_must_agree,
)
from pymc_bnn.elbo import Elbo, assemble
from pymc_bnn.guides import MeanField
from pymc_bnn.loop import Loop, State, Step, all_finite, copy_state
from pymc_bnn.noise import seed_of
from pymc_bnn.to_jax import precision

__all__ = ["NonFiniteError", "adam", "fit"]

_AUTO_BATCH = 256
_PIECE_S = 0.3  # how often the progress bar is drawn and Ctrl-C looked for


class NonFiniteError(FloatingPointError):
    """A fit met NaN or infinity; `approximation` holds the last finite state.

    Examples
    --------
    >>> issubclass(NonFiniteError, FloatingPointError)
    True
    """

    def __init__(self, message: str, approximation: Approximation):
        super().__init__(message)
        self.approximation = approximation


def adam(
    steps: int, learning_rate: float = 0.01, scale_learning_rate: float = 0.03
) -> optax.GradientTransformation:
    """Return the default optimiser: Adam, with a learning rate of their own for log-scales.

    Both rates fall to a hundredth along half a cosine.

    Parameters
    ----------
    steps : int
        Number of steps of the fit.
    learning_rate : float, optional
        Of the guide's locations, in units of the (unconstrained) variables per step.
    scale_learning_rate : float, optional
        Of the logarithms of the guide's scales, per step.

    Returns
    -------
    optax.GradientTransformation
        To be passed as ``fit(optimizer=…)`` or changed.

    References
    ----------
    Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015, algorithm 1.

    Examples
    --------
    >>> isinstance(adam(1000), optax.GradientTransformation)
    True
    """

    def rate(peak: float) -> optax.GradientTransformation:
        return optax.adam(optax.cosine_decay_schedule(peak, steps, alpha=0.01))

    def label(params: Any) -> Any:
        return {
            name: {role: "scale" if role == "log_scale" else "loc" for role in roles}
            for name, roles in params.items()
        }

    return optax.partition({"loc": rate(learning_rate), "scale": rate(scale_learning_rate)}, label)


def fit(
    model: pm.Model | None = None,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int | str | None = "auto",
    rows: str | Sequence[str] | None = None,
    optimizer: optax.GradientTransformation | None = None,
    learning_rate: float | None = None,
    scale_learning_rate: float | None = None,
    init_scale: float = 0.1,
    kl_weight: float = 1.0,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
    callbacks: Sequence[Any] = (),
    chunk_steps: int | None = None,
    dtype: str = "float32",
) -> Approximation:
    r"""Fit a mean-field Normal approximation to a PyMC model by minibatch ADVI on JAX.

    Maximises the full-data evidence lower bound

    .. math:: \mathrm{ELBO} = \frac{N}{B}\sum_{i \in \text{batch}} E_q \log p(y_i \mid z)
              - w\,\mathrm{KL}(q(z)\,\|\,p(z))

    over :math:`q(z) = \prod_j \mathcal N(z_j \mid \mathrm{loc}_j, \mathrm{scale}_j^2)` in the
    unconstrained space, with one draw per step; N is the number of examples, B the batch's size
    and w the `kl_weight`. The KL to a Normal prior is exact.

    Parameters
    ----------
    model : pymc.Model, optional
        Any PyMC model with continuous free variables; by default the model of the context.
    steps, epochs : int
        How long to train; give one of them. An epoch shows every example once.
    batch_size : int, "auto" or None, optional
        Examples per step, in 1…N. "auto": 256, or all of them where there are fewer, or where
        the observed variables have different lengths. None: all data in every step, nothing is
        taken row by row. Batches of an epoch differ in size by at most one.
    rows : str or sequence of str, optional
        The dimension of the examples, or the names of the data that vary per example. By default
        found from dims and lengths (see :func:`pymc_bnn.decompose.find_rows`).
    optimizer : optax.GradientTransformation, optional
        For the loss −ELBO/N. By default :func:`adam` with the two learning rates.
    learning_rate, scale_learning_rate : float, optional
        Of the default optimiser's locations and log-scales, above 0; 0.01 and 0.03 if not given.
    init_scale : float, optional
        First scales of the guide, relative to the variables' own scale (the spread of a weight
        tensor's initial values; the prior's where these are constant); above 0.
    kl_weight : float, optional
        Weight w of the KL; 1 is the posterior, below 1 a cold posterior, which has to be labelled
        so. The history holds the unweighted ELBO.
    random_seed : int or numpy.random.Generator, optional
        The same seed gives the same numbers on the same machine.
    progressbar : bool, optional
        Show steps, rate, remaining time and a smoothed ELBO.
    callbacks : sequence, optional
        Objects with ``on_chunk(state, info)``, called between chunks; a true return value stops
        the fit. See :mod:`pymc_bnn.callbacks`.
    chunk_steps : int, optional
        Steps between calls of the callbacks; by default an epoch, or 100 steps without
        minibatches. It does not change the numbers.
    dtype : {"float32", "float64"}, optional
        Precision of the fit, whatever ``floatX`` the model has.

    Returns
    -------
    Approximation
        The fitted posterior, with its history. After Ctrl-C: what was learned so far (press it
        twice to leave at once).

    Raises
    ------
    ValueError, TypeError
        For a bad argument, model or data, before anything is compiled.
    NonFiniteError
        When NaN or infinity turns up; its `approximation` is the last finite state.

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
    """
    model = pm.modelcontext(model)
    if (steps is None) == (epochs is None):
        raise invalid(
            "steps",
            "be given, or `epochs`, and not both",
            f"steps={steps} and epochs={epochs}",
            "pass one of them",
        )
    for name, value in (("steps", steps), ("epochs", epochs), ("chunk_steps", chunk_steps)):
        if value is not None:
            check_int(name, value, 1, None, f"pass {name}=100, say")
    for name, value in (
        ("kl_weight", kl_weight),
        ("init_scale", init_scale),
        ("learning_rate", learning_rate),
        ("scale_learning_rate", scale_learning_rate),
    ):
        if value is not None:
            _check_positive(name, value)
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
        if not callable(getattr(callback, "on_chunk", None)):
            raise invalid(
                "callbacks",
                "have a method on_chunk(state, info)",
                repr(callback),
                "see pymc_bnn.callbacks",
                TypeError,
            )
    seed = seed_of(random_seed)
    terms, batches, row_terms = _terms_and_batches(model, batch_size, rows, seed)
    _check_labels(terms)
    per_epoch = batches.per_epoch if batches else 1
    steps = steps if steps is not None else epochs * per_epoch
    if optimizer is None:
        optimizer = adam(steps, **rates)
    if chunk_steps is None:
        chunk_steps = per_epoch if per_epoch > 1 else 100

    guide = MeanField()
    with precision(dtype):
        elbo = assemble(terms, guide, dtype)
        if batches is not None and batches.per_epoch > 1:
            _check_rows(terms, elbo, seed, dtype)
        step = Step(
            elbo=elbo,
            optimizer=optimizer,
            kl_weight=float(kl_weight),
            batches=batches,
            rows=frozenset(d.name for d in terms.data if d.per_example),
            shapes={f.name: f.start.shape for f in terms.free},
            dtype=dtype,
            n=batches.n if batches else terms.n_observed,
        )
        scales = own_scales(terms, dtype)
        params = {f.name: guide.init(f, init_scale * scales[f.name]) for f in terms.free}
        state = step.first_state(params, seed)
        with shapes_must_agree(terms.data):
            jax.eval_shape(elbo, state.params, step.noise(state), terms.arrays())
        data = {k: jnp.asarray(_narrow(v, dtype)) for k, v in terms.arrays().items()}

        def result(state: State, traces: Sequence[np.ndarray]) -> Approximation:
            return Approximation(
                terms=terms,
                row_terms=row_terms,
                guide=guide,
                elbo_parts=elbo,
                params=jax.device_get(state.params),
                trace=np.concatenate([np.zeros((0, 2)), *traces]),
                batches=batches,
                kl_weight=float(kl_weight),
                dtype=dtype,
            )

        return _run(
            Loop(step, state, data),
            state,
            steps,
            per_epoch,
            chunk_steps,
            callbacks,
            progressbar,
            result,
            kl_weight,
        )


def _run(
    loop: Loop,
    state: State,
    steps: int,
    per_epoch: int,
    chunk_steps: int,
    callbacks: Sequence[Any],
    progressbar: bool,
    result: Callable[[State, Sequence[np.ndarray]], Approximation],
    kl_weight: float,
) -> Approximation:
    """Drive the loop in pieces of about a third of a second, and the callbacks between chunks."""
    traces: list[np.ndarray] = []
    done, in_chunk, piece, started = 0, 0, 1, time.perf_counter()
    kept = state
    try:
        with Progress(steps, per_epoch, enabled=progressbar) as bar, _interrupts() as interrupted:
            while done < steps and not interrupted():
                now = min(piece, steps - done, chunk_steps - in_chunk if callbacks else steps)
                kept, began = copy_state(state), time.perf_counter()
                state, trace = loop.advance(state, now)
                took = time.perf_counter() - began
                if not (np.isfinite(trace).all() and all_finite(state)):
                    last, finite = loop.until_not_finite(kept, now)
                    raise _non_finite(loop, last, result(last, [*traces, finite]))
                kept = state
                traces.append(trace)
                done, in_chunk = done + now, in_chunk + now
                bar.update(done, trace)
                piece = max(1, int(now * min(2.0, _PIECE_S / max(took, 1e-9))))
                if callbacks and (in_chunk == chunk_steps or done == steps):
                    info = Info(
                        step=done,
                        steps=steps,
                        epoch=done / per_epoch,
                        elapsed_s=time.perf_counter() - started,
                        kl_weight=kl_weight,
                        trace=_last(traces, in_chunk),
                        approximation=partial(result, state, tuple(traces)),
                    )
                    in_chunk = 0
                    stops = [callback.on_chunk(state, info) for callback in callbacks]
                    if any(stops):
                        break
    except NonFiniteError:
        raise
    except Exception as error:
        error.approximation = result(kept, traces)
        error.add_note("What was fitted so far is kept in this error's `approximation`.")
        raise
    return result(state, traces)


def _last(traces: list[np.ndarray], steps: int) -> np.ndarray:
    """Join the traces of the last so many steps."""
    count, first = 0, len(traces)
    while count < steps:
        first -= 1
        count += len(traces[first])
    return np.concatenate(traces[first:])


def _non_finite(loop: Loop, state: State, approximation: Approximation) -> NonFiniteError:
    (nll, kl), bad = loop.not_finite(state)
    where = f"the gradient of '{bad[0]}'" if bad else "a parameter after the optimiser's update"
    if len(bad) > 1:
        where += f" (and of {len(bad) - 1} more variables)"
    outside = "Check that the observed values lie in the likelihood's support. "
    return NonFiniteError(
        f"fit stopped at step {int(state.step) + 1}: {where} became NaN or infinite; negative "
        f"log-likelihood {nll:.6g}, KL {kl:.6g} at that step.\n"
        + (outside if np.isposinf(nll) else "")
        + "Try a smaller learning_rate and scale_learning_rate, a smaller init_scale, or data and "
        'priors on a scale near 1; dtype="float64" tells overflow from a wrong model.\n'
        f"The state after step {int(state.step)} is kept in this error's `approximation`.",
        approximation,
    )


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag; the second one interrupts at once."""
    pressed = threading.Event()
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield lambda: False
        return

    def handler(*_: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, handler)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _terms_and_batches(
    model: pm.Model, batch_size: int | str | None, rows: Any, seed: int
) -> tuple[Terms, Batches | None, Terms | None]:
    """Take the model apart, whole or by rows; by rows for predictions in any case, if possible."""
    if isinstance(batch_size, str) and batch_size != "auto":
        raise invalid(
            "batch_size", 'be an integer, "auto" or None', repr(batch_size), "pass 128, say"
        )
    check_model(model)  # its errors come before those about its rows
    whole_is_fine = batch_size is None or (batch_size == "auto" and rows is None)
    roots, n = set(), None
    try:
        roots, n = find_rows(model, rows)
    except ValueError:
        if not whole_is_fine or rows is not None:
            raise
    size = n
    if n is not None and batch_size is not None:
        size = min(_AUTO_BATCH, n) if batch_size == "auto" else batch_size
        check_int("batch_size", size, 1, n, f'pass a number in 1…{n}, "auto" or None')
    if size != n:
        terms = decompose(model, roots, random_seed=seed)
        return terms, Batches(n, size), terms
    terms = decompose(model, random_seed=seed)
    try:
        return terms, None, decompose(model, roots, random_seed=seed) if roots else None
    except (ValueError, NotImplementedError):
        return terms, None, None  # something belongs to the examples


def _check_rows(terms: Terms, elbo: Elbo, seed: int, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    params = {}
    for f in terms.free:
        # Away from constant starts, where much of a model may cancel.
        moved = f.start + (0.1 if np.std(f.start) > 0 else 1.0) * rng.standard_normal(f.start.shape)
        params[f.name] = {
            "loc": np.asarray(moved, dtype),
            "log_scale": np.zeros(f.start.shape, dtype),
        }
    noise = {f.name: np.zeros(f.start.shape, dtype) for f in terms.free}
    run = jax.jit(lambda data: elbo(params, noise, data)[0])
    per_example = {d.name: _narrow(d.value, dtype) for d in terms.data if d.per_example}
    rest = {d.name: _narrow(d.value, dtype) for d in terms.data if not d.per_example}
    suspects = ", ".join(f"'{name}' {value.shape}" for name, value in per_example.items())
    as_many = [f.name for f in terms.free if f.start.shape[:1] == (terms.n_rows,)]
    if as_many:
        suspects += f" (free variables with as many rows: {as_many})"
    check_rows(run, per_example, rest, rng, suspects)


def _check_labels(terms: Terms) -> None:
    """Check the labels of every categorical observed variable against its number of classes."""
    for observed in terms.observed:
        if not isinstance(observed.rv.owner.op, Categorical.rv_type):
            continue
        k = observed.rv.owner.op.dist_params(observed.rv.owner)[0].type.shape[-1]
        root = next((d for d in terms.data if d.root is observed.root), None)
        if root is None or k is None:
            continue
        if not np.issubdtype(root.value.dtype, np.integer):
            raise invalid(
                observed.name, "be integer labels", f"{root.value.dtype}", "pass y.astype(int)"
            )
        low, high = root.value.min(), root.value.max()
        if low < 0 or high >= k:
            raise invalid(
                observed.name,
                f"be labels in 0…{k - 1}, as the network has {k} outputs",
                f"labels in {low}…{high}",
                "recode the labels or give the network more outputs",
            )


def own_scales(terms: Terms, dtype: str) -> dict[str, float]:
    """Return each variable's own scale, in its unconstrained space.

    The spread of its initial values where they vary (weights, which start at random and scaled by
    fan-in), otherwise the prior's scale at the initial point (Normal priors), at most 1.
    """
    prior = normal_sigmas(terms, {f.name: f.start for f in terms.free}, dtype)
    scales = {}
    for f in terms.free:
        spread = float(np.std(f.start)) if f.start.size > 1 else 0.0
        # A vague prior says nothing about the scale of its variable.
        scales[f.name] = spread or min(float(np.median(prior.get(f.name, 1.0))), 1.0)
    return scales


def _narrow(value: np.ndarray, dtype: str) -> np.ndarray:
    """Cast floating-point data to the precision of the fit; integers stay."""
    return value.astype(dtype) if np.issubdtype(value.dtype, np.floating) else value


def _check_positive(name: str, value: Any) -> None:
    try:
        good = np.isfinite(value) and value > 0
    except TypeError:
        good = False
    if not good:
        raise invalid(name, "be a finite number above 0", repr(value), f"pass {name}=0.1, say")
