"""Simulation-based calibration: fits have to find the parameters that data were drawn from."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import arviz_base
import jax
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from pytensor.graph.basic import Variable

from pymc_bnn._checks import check_int, invalid, say
from pymc_bnn._warnings import collected, warn
from pymc_bnn.diagnostics.rank_tests import rank_table
from pymc_bnn.errors import NonFiniteError
from pymc_bnn.fit_task import Task
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.inference.diagnosis import explain
from pymc_bnn.inference.interrupts import interrupts
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.members import member_seed
from pymc_bnn.inference.method import Method, chosen
from pymc_bnn.inference.plan import Length
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.prepare import DataOptions, held, prepare
from pymc_bnn.inference.progress import Bar
from pymc_bnn.inference.run import Run, RunOptions, run
from pymc_bnn.inference.simulating import Arrays, simulate, simulated_data
from pymc_bnn.inference.vi import VI
from pymc_bnn.model.checks import check_model, current_model
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.sampling import choose_names, labels
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.noise import key_of, seed_of
from pymc_bnn.runtime.precision import narrow, precision

__all__ = ["SimulationBasedCalibration", "simulation_based_calibration"]

_CHUNK = 1000  # steps between looks for Ctrl-C
_FIXED = 1e-6  # relative spread up to which a number is not random but rounded
_KINDS = 3  # of warnings that are quoted


@dataclass(frozen=True, eq=False, repr=False)
class SimulationBasedCalibration:
    """Where true values lie among posterior draws, over simulations.

    Attributes
    ----------
    ranks : xarray.Dataset
        ``(simulation, *dims)`` of each variable: how many of the draws lie below the true value,
        in 0…draws; −1 for entries that the model fixes, such as a correlation of a number with
        itself.
    draws : int
        Posterior draws of each simulation.
    failed : int
        Simulations left out, as they met NaN or infinity.
    interrupted : bool
        Whether Ctrl-C left some out.
    seed : int
        By which ties are broken.

    Examples
    --------
    >>> ranks = xr.Dataset({"mu": ("simulation", np.arange(100))})
    >>> SimulationBasedCalibration(ranks, draws=99)
    <SimulationBasedCalibration: 100 simulations of 99 draws; mu good>
    """

    ranks: xr.Dataset
    draws: int
    failed: int = 0
    interrupted: bool = False
    seed: int = 0

    def __repr__(self) -> str:
        """Say what it found in a line."""
        said = ", ".join(f"{name} {verdict}" for name, verdict in self.table["verdict"].items())
        count = self.ranks.sizes["simulation"]
        return f"<SimulationBasedCalibration: {count} simulations of {self.draws} draws; {said}>"

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each variable, of its entry with the smallest p-value.

        Columns:

        - size: how many numbers it has that are not fixed;
        - worst: the entry;
        - uniform_p: p-value of ranks being uniform, which they are where posteriors are exact
          (:func:`pymc_bnn.diagnostics.rank_tests.uniformity_test`);
        - symmetric_p: p-value of true values lying as often above the posterior as below, whatever
          its width (:func:`pymc_bnn.diagnostics.rank_tests.symmetry_test`);
        - inside: share of true values within the central 90 % interval;
        - above: share of true values above the posterior's median;
        - verdict: "good", "look" (a p-value up to 0.05) or "bad" (up to 0.001);
        - says: in words.

        P-values are multiplied by the number of tests of the whole table (Bonferroni): if all
        posteriors are exact, the chance of any verdict but good is 5 % at most.
        """
        return rank_table({name: value.to_numpy() for name, value in self._places.items()})

    @cached_property
    def tree(self) -> xr.DataTree:
        """For ArviZ: a group "prior_sbc" ``(chain=1, draw, *dims)`` of ranks as shares in 0…1."""
        group = self._places.rename(simulation="draw").expand_dims("chain").drop_attrs()
        return xr.DataTree.from_dict({"prior_sbc": group})

    @cached_property
    def _places(self) -> xr.Dataset:
        """Ranks as shares, spread evenly between neighbouring draws; NaN of what is fixed."""
        rng = np.random.default_rng((self.seed, 2))
        spread = self.ranks.map(lambda r: (r + rng.uniform(size=r.shape)) / (self.draws + 1))
        return spread.where(self.ranks >= 0)


def simulation_based_calibration(
    model: pm.Model | None = None,
    *,
    simulations: int = 200,
    draws: int = 200,
    var_names: str | Sequence[str] | None = None,
    steps: int | None = None,
    epochs: int | None = None,
    batch_size: int | str | None = "auto",
    rows: str | Sequence[str] | None = None,
    method: Method | None = None,
    random_seed: int | np.random.Generator | None = None,
    progressbar: bool = True,
    dtype: str = "float32",
) -> SimulationBasedCalibration:
    """Test whether fits of a model find the parameters from which data were simulated.

    Again and again parameters are drawn from the prior and data from the likelihood, the model is
    fitted to these data, and the rank of each true value among draws of the posterior is kept. If
    posteriors are exact, ranks are uniform (SBC). If they are too narrow, ranks pile up at both
    ends; if they are too low or too high, at one of them. Of an approximation whose width is known
    to be wrong one may still ask that it be in the right place: that ranks are symmetric (VSBC).

    It judges fits of data that the priors give rise to, which are not always like the data at hand.
    The model's own observations are not looked at; data that it is given (`pm.Data`) stay as they
    are. All fits share one compiled program, and begin at the same parameters.

    Parameters
    ----------
    model : pymc.Model, optional
        A small one, of proper priors and without potentials; by default the model of the context.
    simulations : int, optional
        How many, at least 2; docs/reading_a_fit.md tells what so many can see.
    draws : int, optional
        Posterior draws of each, at least 1.
    var_names : str or sequence of str, optional
        Free variables and deterministics, as of :meth:`pymc_bnn.Approximation.sample`: by default
        all free variables, and deterministics that do not depend on data of the examples. Of
        networks ask for what they predict: hidden units may change places, so that their weights
        have no ranks to speak of.
    steps, epochs, batch_size, rows, dtype
        Of each fit; see :func:`pymc_bnn.fit`.
    method : Method, optional
        How posteriors are found: ``bnn.VI(guide=bnn.guides.FullRank())``, say.
    random_seed : int or numpy.random.Generator, optional
        Seed of parameters, data, fits and draws.
    progressbar : bool, optional
        Show how many simulations are done.

    Returns
    -------
    SimulationBasedCalibration
        Its `table` has a verdict on each variable, ``az.plot_ecdf_pit(found.tree)`` is the picture.
        After Ctrl-C: of the simulations that were done, with `interrupted` true and a line on
        stderr (press it twice to leave at once).

    Raises
    ------
    ValueError, TypeError
        For a bad argument, or a model that cannot be simulated: flat priors, potentials, a
        ``pm.CustomDist`` without `random`, data that are observed in part (`total_size`, streams)
        or that the model looks up elsewhere, too.
    NonFiniteError
        If every fit met NaN or infinity. If some did, they are left out, and a warning says so.

    References
    ----------
    Talts, Betancourt, Simpson, Vehtari and Gelman, *Validating Bayesian inference algorithms with
    simulation-based calibration*, arXiv 1804.06788 (2018), algorithm 1. Yao, Vehtari, Simpson and
    Gelman, *Yes, but did it work?: evaluating variational inference*, ICML 2018, section 4.

    Examples
    --------
    >>> x = np.array([[1.0, 0.9], [0.9, 1.0], [-1.0, -1.0]])
    >>> with pm.Model() as model:  # two slopes of which the data tell the sum
    ...     b = pm.Normal("b", shape=2)
    ...     y = pm.Normal("y", x @ b, 0.3, observed=np.zeros(3))
    >>> found = simulation_based_calibration(
    ...     model, simulations=60, steps=500, random_seed=1, progressbar=False
    ... )
    >>> print(found.table.loc["b", "says"].split(":")[0])
    too narrow
    """
    model = current_model("simulation_based_calibration", model)
    began = time.perf_counter()
    simulations = check_int("simulations", simulations, 2, None, "pass simulations=200")
    draws = check_int("draws", draws, 1, None, "pass draws=200")
    length, options = (
        Length(steps, epochs),
        DataOptions(batch_size=batch_size, rows=rows, dtype=dtype),
    )
    method, seed = chosen(method, VI, {}), seed_of(random_seed)
    if isinstance(getattr(method, "kl_weight", None), str):
        rule, repair = "be a number: data that are simulated choose none", "pass kl_weight=1"
        raise invalid("kl_weight", rule, "'auto'", repair)
    check_model(model)
    method.check(model)
    with precision(dtype):
        with collected():  # warnings of the model's own data
            problem, source = prepare(
                model,
                options,
                layers=method.needs_rows,
                latents=method.by_rows(model),
                whole_up_to=length.whole_up_to,
                epochs=length.epochs,
                seed=seed,
            )
        graphs = choose_names(problem.terms, var_names, None)
        roots = simulated_data(problem)
        truth, data = simulate(problem, list(graphs), roots, simulations, seed)
        with source, interrupts() as interrupted:
            shown = RunOptions([_Stop(interrupted)], _CHUNK, False)
            task = Task(problem, source, length, None, seed, shown, [None], began)
            refits = _Refits(task, method, graphs, data, draws)
            with _Simulations(simulations, enabled=progressbar) as bar:
                for i in range(simulations):
                    refits.add(i, truth)
                    if interrupted():
                        break
                    bar.update(i + 1, refits.failed)
            cut = interrupted()
    refits.warn()
    ranks = refits.ranks(truth)
    if cut:
        kept = f"{len(refits.below)} of {simulations:,}: their ranks are returned, interrupted=True"
        say(f"simulations interrupted after {kept}")
    return SimulationBasedCalibration(ranks, draws, refits.failed, cut, seed)


@dataclass(eq=False)
class _Refits:
    """Fits of one program to data that take the place of a problem's own, and what they left."""

    task: Task
    method: Method
    graphs: Mapping[str, Variable]
    data: Arrays  # (simulations, …) each
    draws: int
    failed: int = 0
    why: Exception | None = None  # of the first that failed
    warned: Counter[str] = field(default_factory=Counter)  # by kind
    examples: dict[str, str] = field(default_factory=dict)  # of each kind
    below: dict[int, Arrays] = field(default_factory=dict)  # ranks, by simulation

    def __post_init__(self):
        problem = self.task.problem
        self.program, state = self.task.compiled(self.method)
        self.loop = self.task.loop(self.program, state)
        terms, outputs = problem.terms, list(self.graphs.values())
        own = jaxify([*terms.values, *terms.inputs], outputs, problem.dtype, gradient=False)
        axes = (0,) * len(terms.values) + (None,) * len(terms.inputs)
        self.constrained = Compiled(jax.vmap(own, axes))

    def add(self, i: int, truth: Arrays) -> None:
        """Fit the data of simulation `i`, and keep its ranks, unless Ctrl-C met the fit."""
        problem, seed = self.task.problem, member_seed(self.task.seed, i + 1)
        terms = problem.terms
        with np.errstate(over="ignore"):  # looked at below
            new = {name: narrow(value[i], problem.dtype) for name, value in self.data.items()}
            true = {name: narrow(value[i], problem.dtype) for name, value in truth.items()}
        data = tuple(replace(d, value=new.get(d.name, d.value)) for d in terms.data)
        problem = replace(problem, terms=replace(terms, data=data))
        try:
            if not all(np.isfinite(value).all() for value in new.values()):
                raise NonFiniteError(f"the data drawn are not finite in {problem.dtype}", None)
            with collected() as said:
                posterior = self._fit(problem, seed)
        except NonFiniteError as error:
            self.failed += 1
            self.why = self.why or error
            return
        for text in dict.fromkeys(said):
            kind = re.sub(r"[-\d.,e+]*\d", "#", text)
            self.warned[kind] += 1
            self.examples.setdefault(kind, text)
        if posterior is None:
            return
        drawn = self._draw(problem, posterior, key_of(seed, "simulation"))
        rng = np.random.default_rng((seed, 1))
        self.below[i] = {}
        for name, values in drawn.items():
            ties = rng.integers((values == true[name]).sum(axis=0), endpoint=True)
            self.below[i][name] = (values < true[name]).sum(axis=0) + ties

    def _fit(self, problem: Problem, seed: int) -> Posterior | None:
        """Fit a problem; None where Ctrl-C stopped it."""
        loop = self.loop.on(held(problem, self.task.source.batches))

        def why(loop: Loop, state: Any) -> str:  # only of the first, as it takes long
            return "" if self.why else explain(problem, loop, state)

        state, options = self.program.stages[0].init(seed), self.task.options
        plan = self.program.plan
        begin = Position.first(loop, state, plan)
        state, _ = run(Run(begin, plan, options, _nothing, why, _nothing))
        stopped = options.callbacks[0].interrupted()
        return None if stopped else self.program.posterior(state)

    def _draw(self, problem: Problem, posterior: Posterior, key: jax.Array) -> Arrays:
        """Return (draws, …) of each variable in the model's own space."""
        values, terms = posterior.draw_many(key, self.draws), problem.terms
        drawn = self.constrained(*(values[f.name] for f in terms.free), *terms.arrays().values())
        return {name: np.asarray(v) for name, v in zip(self.graphs, drawn, strict=True)}

    def ranks(self, truth: Arrays) -> xr.Dataset:
        """Return the ranks of all simulations that were done, or raise if none was."""
        if not self.below:
            if self.failed:
                raise self.why
            raise KeyboardInterrupt
        found = {}
        for name, values in truth.items():
            fixed = np.ptp(values, axis=0) <= _FIXED * np.abs(values).max(axis=0)
            below = np.stack([ranks[name] for ranks in self.below.values()])
            found[name] = np.where(fixed, -1, below)
        own = labels(self.task.problem.terms, found)
        own["coords"]["simulation"] = list(self.below)
        return arviz_base.dict_to_dataset(found, sample_dims=["simulation"], **own)

    def warn(self) -> None:
        """Say in a sentence what failed, and in another what fits warned of."""
        if self.failed and self.below:
            reason = str(self.why).rstrip(".")
            warn(f"{self.failed} simulations are left out, as they failed; the first: {reason}")
        if self.warned:
            kinds = self.warned.most_common(_KINDS)
            said = "; ".join(f"{count} times like “{self.examples[kind]}”" for kind, count in kinds)
            warn(f"of {len(self.below)} fits of simulated data some warned: {said}")


def _nothing(*_: Any, **__: Any) -> None:
    """Keep nothing of a fit that failed."""


@dataclass(frozen=True)
class _Stop:
    """A callback that ends a fit at Ctrl-C."""

    interrupted: Callable[[], bool]

    def on_chunk(self, state: Any, info: Any) -> bool:
        return self.interrupted()


class _Simulations(Bar):
    """A rich progress bar: simulations, remaining time, and how many failed."""

    def __init__(self, count: int, *, enabled: bool = True):
        if enabled:
            self._make(["simulations"], [], "{task.fields[failed]} failed")
            self._task = self._bar.add_task("", total=count, failed=0)

    def update(self, done: int, failed: int) -> None:
        """Show how many are done, and how many of them failed."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, failed=failed)
            self._bar.refresh()
