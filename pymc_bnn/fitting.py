"""Fit a PyMC model by minibatch variational inference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import Any

import numpy as np
import optax
import pymc as pm

from pymc_bnn._checks import check_seed
from pymc_bnn._habits import ANYWHERE, answers
from pymc_bnn.approximation import Approximation
from pymc_bnn.choose_kl_weight import fit_at_best_weight
from pymc_bnn.data.prefetcher import STALL_S
from pymc_bnn.elbo.choose import Spec
from pymc_bnn.errors import NonFiniteError
from pymc_bnn.fit_task import RUN, Task
from pymc_bnn.guides import Guide
from pymc_bnn.inference.checkpoint import checkpoint_of
from pymc_bnn.inference.fingerprint import about_fit
from pymc_bnn.inference.holding_out import check_auto
from pymc_bnn.inference.method import Method, chosen
from pymc_bnn.inference.plan import Length
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.run import RunOptions
from pymc_bnn.inference.tempering import warn_of_kl_weight
from pymc_bnn.inference.vi import VI
from pymc_bnn.mixture import starts_of
from pymc_bnn.model.checks import check_model, current_model
from pymc_bnn.model.noise import warn_of_cold_noise
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.sharding import mesh_of, one_by_one

__all__ = ["NonFiniteError", "fit"]

_IN_THE_MODEL = "data are part of the model: pm.Data(…), and observed= of the likelihood"
_HABITS = {  # of pm.sample and pm.fit, of Keras, of scikit-learn
    **ANYWHERE,
    "draws": "a fit is drawn from afterwards: fitted.sample(1000)",
    "chains": "there are no chains; members=4 fits from as many starts",
    "tune n num_steps n_steps max_iter": "pass steps=, or none to fit until the ELBO has settled",
    "cores": "pass devices=, say",
    "nuts_sampler target_accept": "NUTS goes on from a fit by fitted.refine(), or use pm.sample",
    "inference approx": "pass guide=guides.FullRank(), say",
    "obj_optimizer": "pass optimizer=optax.adam(0.01), say",
    "start_sigma": "pass guide=guides.MeanField(init_scale=0.1), say",
    "x X y": _IN_THE_MODEL,
    "n_epochs num_epochs": "pass epochs=",
    "lr learning_rate_init": "pass learning_rate=0.01, say",
    "shuffle": "batches are drawn in a new order in each epoch",
    "loss": "the loss is the model's own: choose its likelihood",
    "metrics": "score predictions: uncertainty.evaluate(fitted.predict(…), y)",
    "validation_split validation_data": "pass callbacks=[callbacks.HeldOut(…)], say",
    "sample_weight class_weight": "weigh rows in the model by pm.Potential, or by BNNClassifier",
}


@answers(_HABITS, positional=_IN_THE_MODEL)
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
    start: Mapping[str, Any] | Approximation | Posterior | None = None,
    members: int = 1,
    optimizer: optax.GradientTransformation | None = None,
    learning_rate: float | None = None,
    scale_learning_rate: float | None = None,
    kl_weight: float | str | Callable[[Any], Any] = 1.0,
    validation: float | Mapping[str, Any] | None = None,
    kl_warmup: int | str = "auto",
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
    callbacks: Sequence[Any] = (),
    chunk_steps: int | None = None,
    dtype: str = "float32",
    devices: str | int | Sequence[Any] | None = None,
    method: Method | None = None,
    checkpoint: str | PathLike[str] | None = None,
    checkpoint_every: int | str | timedelta = "1min",
    recover: int = 0,
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
    steps, epochs : int, optional
        How long to train; give one of them, or none. An epoch shows every example once: of `data`,
        one pass over it. With none the fit goes on until the ELBO has stopped rising (a test that
        takes noise for a rise in 5 % of looks; :mod:`pymc_bnn.inference.convergence`), and then
        for half as many steps with learning rates that fall (as many, and later, where free
        variables come in batches with their rows). ``fitted.converged`` says whether it had; if it
        rises still after some 60,000 steps a warning does, as one does where the noise swallowed
        the signal (:meth:`pymc_bnn.Approximation.diagnose`).
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
        Examples per step, in 1…N. "auto": 256, or all of them where there are fewer (without
        `steps` and `epochs`: up to 1,024), or where the observed variables have different lengths.
        None: all data in every step, nothing is taken row by row. Batches of an epoch differ in
        size by at most one. Free variables with an entry for each row are taken with their rows
        where these stand alone and the guide is mean-field. With `data`: the largest batch there
        is, to which smaller ones are padded; "auto": the first batch's.
    rows : str or sequence of str, optional
        The dimension of the examples, or the names of the data that vary per example. By default
        found from dims and lengths (see :func:`pymc_bnn.model.decompose.find_rows`).
    guide : Guide or mapping from str to Guide, optional
        The family of approximate posteriors (see :mod:`pymc_bnn.guides`), or families by name
        pattern, such as ``{"*_sigma": FullRank(), "conv*": Delta()}``; the first pattern that
        matches wins, and what none matches has ``MeanField()``. Guides also say how wide
        posteriors start. Where neither `steps` nor `epochs` nor an earlier fit is given, guides
        that contain independent Normals (FullRank, LowRank) start where a fit of these has
        converged, with at least 8 `particles` from there on; ``fitted.record.gain`` says how much
        ELBO that gained; if it lost some, or a step was not finite, the result is what they started
        from, with a warning.
    estimator : str, Estimator or mapping, optional
        How the ELBO's gradient is estimated: "pathwise", "local" (local reparameterisation, for
        dense layers), "flipout", "local_approx" (biased), or "auto", the default, which takes
        "local" where it is exact and "pathwise" elsewhere; or these by name pattern. See
        ``fitted.summary()`` for what each variable got.
    particles : int, optional
        Draws per step over which the ELBO is averaged, at least 1.
    start : mapping, Approximation or Posterior, optional
        First values of variables by name, in the model's own space, or an earlier fit (or any
        posterior) to go on from: what has the same name, shape and transform is taken over,
        posterior scales included; where a name has another shape or transform a warning lists
        what was taken and what not. The optimiser starts afresh, at its full learning rates.
    members : int, optional
        Fits from different starts by one compiled program: one after the other or, where there are
        no callbacks and a fit is small, on as many cores at once as there are, with the same
        numbers; the result is their mixture (:class:`pymc_bnn.Mixture`). Weights of networks are
        drawn anew for each; the first member is what the fit alone would be. Of points it is a deep
        ensemble (Lakshminarayanan et al. 2017). Not with `data`; `start` may hold values, or be a
        mixture of as many.
    optimizer : optax.GradientTransformation, optional
        For the loss −ELBO/N. By default :func:`pymc_bnn.adam` with the two learning rates.
    learning_rate, scale_learning_rate : float, optional
        Of the default optimiser's locations and of everything else (log-scales), above 0; 0.01
        and 0.03 if not given. Without a `learning_rate`, locations whose posterior scale s is above
        1 move s times as fast, so that variables far from scale 1 need no rates of their own.
    kl_weight : float, callable or "auto", optional
        Weight w of the KL, and of the log prior of points: a number above 0, or a schedule
        (optax's, say) that maps the step, counted from 0, to a number of at least 0, above 0 at
        the last step. 1 is the posterior, below 1 a cold posterior, which has to be labelled so.
        The history holds the unweighted ELBO. A number below 1 beside a network whose noise is
        learned is warned of. "auto" chooses among 1, 0.5, 0.25, 0.1, 0.05, 0.025 and 0.01 by the
        log score of rows that are held out, then fits all rows at that weight; the posterior is a
        cold one unless 1 is chosen, and ``fitted.kl_path`` has the scores
        (:func:`pymc_bnn.choose_kl_weight.fit_at_best_weight`). Three to five fits more, half as
        long but for the first; it needs a likelihood that comes apart by rows, and no `data`.
        Callbacks see the last fit alone. Of `members` the first one chooses. Where `steps` are too
        few, colder weights win by the steps made before them: the path's elbo then rises, of which
        a warning tells.
    validation : float or mapping, optional
        With ``kl_weight="auto"``: the share of the rows held out, in (0, 1), or other data that
        they are scored on, observed variables included (all rows are then fitted throughout). By
        default a tenth of the rows, but 10 at least, drawn by the seed, of classes in
        proportion.
    kl_warmup : int or "auto", optional
        First steps, in which the KL's weight rises from half of `kl_weight` to all of it: a
        likelihood whose scale is learned then does not explain away what the network has not
        learned yet. "auto": 3,000 where neither `steps` nor `epochs` is given, but none from an
        earlier fit; else none. A fit that stops before is cold, and warned of.
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
        default one. The numbers are those of one device up to the order of sums. Members, where
        they have no callbacks, are not split: each device has one at a time, with the numbers of
        one device. After ``jax.distributed.initialize()`` the devices are those of all processes,
        each of which has to make the same call with the same data; Ctrl-C then has to reach them
        all.
    method : Method, optional
        How the posterior is found, in place of ``bnn.VI(guide=…, estimator=…, …)``, whose options
        are then left out here.
    checkpoint : str or path, optional
        A folder in which the fit leaves where it is. The same call made again goes on from there,
        to the numbers of a fit that did not stop, or returns at once what had ended; a call with
        another model, other data or other options is refused, and says what differs. After Ctrl-C,
        and on SIGTERM, the fit is saved first. Without a `random_seed` the first call's is taken.
        `data` must be an iterable that can be gone over again: it goes on by its `state_dict`
        (torchdata) or its iterator's `get_state` (grain) where it has one, else by skipping
        batches.
        Callbacks go on where they have `state_dict` and `load_state_dict`.
    checkpoint_every : int or str or datetime.timedelta, optional
        Steps, or a time such as "30s" or "10min". Default "1min".
    recover : int, optional
        How often at most to go back by itself when a step is not finite: at most 500 steps, with
        all updates half as large from there on. ``fitted.record.recoveries`` tells, and the history
        has a column `rate`. By default never.

    Returns
    -------
    Approximation
        The fitted posterior, with its history; with members a :class:`pymc_bnn.Mixture`. After
        Ctrl-C: what was learned so far, with `interrupted` true and a line on stderr, by the
        logger "pymc_bnn" (press it twice to leave at once).

    Raises
    ------
    ValueError, TypeError
        For a bad argument, model or data, before anything is compiled.
    NonFiniteError
        When NaN or infinity turns up; its `approximation` is the last finite state. Not where a
        fit of independent Normals has come first: it is then the result, with a warning.
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
    model, began = current_model("fit", model), time.perf_counter()
    length = Length(steps, epochs)
    shown = RunOptions(callbacks, chunk_steps, progressbar, recover=recover)
    options = DataOptions(data, total_size, stall_timeout, batch_size, rows, dtype, devices)
    of_vi = {"guide": guide, "estimator": estimator, "particles": particles}
    of_vi |= {"optimizer": optimizer, "learning_rate": learning_rate}
    of_vi |= {"scale_learning_rate": scale_learning_rate, "kl_weight": kl_weight}
    of_vi |= {"kl_warmup": kl_warmup}
    method = chosen(method, VI, of_vi)
    check_auto(method, validation, data)
    mesh, places = mesh_of(devices), ()
    if random_seed is not None:
        check_seed(random_seed)
    check_model(model)
    starts = starts_of(start, members, streamed=data is not None)
    if len(starts) > 1 and data is None and not shown.callbacks:
        mesh, places = one_by_one(mesh)
    method.check(model, starts[0])

    with checkpoint_of(checkpoint, checkpoint_every, data) as kept, precision(dtype):
        seed = kept.seed(random_seed)
        layers = method.needs_rows
        problem, source = prepare(
            model,
            options,
            mesh,
            layers=layers,
            latents=method.by_rows(model),
            whole_up_to=length.whole_up_to,
            epochs=length.epochs,
            seed=seed,
            keeps=checkpoint is not None,
            at=kept.source(f"{RUN}-1"),
        )
        with source:
            if checkpoint is not None:
                own = {"steps": steps, "epochs": epochs, "total_size": total_size}
                own |= {"batch_size": batch_size, "rows": rows, "members": members, "dtype": dtype}
                own |= {"start": starts, "validation": validation, "recover": recover}
                kept.check(about_fit(problem, method, own))
            task = Task(
                problem, source, length, mesh, seed, shown, starts, began, None, kept, places=places
            )
            weight = getattr(method, "kl_weight", 1.0)
            if isinstance(weight, str):
                return fit_at_best_weight(task, method, validation)
            warn_of_kl_weight(weight, problem.n)
            warn_of_cold_noise(problem.for_predictions, weight)
            return task.fit(method)
