"""Guides, programs, states and what steps left, as they are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pandas as pd

from pymc_bnn.elbo import assemble
from pymc_bnn.elbo.function import LaterElbo
from pymc_bnn.guides import Block, Guide, JointGuide
from pymc_bnn.guides.stacks import Stacks
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.program import Program
from pymc_bnn.inference.record import Record
from pymc_bnn.inference.row_steps import first_state
from pymc_bnn.inference.state import State
from pymc_bnn.inference.vi import VI
from pymc_bnn.inference.vi_program import VIProgram
from pymc_bnn.model.problem import Problem
from pymc_bnn.runtime.precision import precision
from pymc_bnn.saved_fits.arrays import Store
from pymc_bnn.saved_fits.frames import frame_to_json
from pymc_bnn.saved_fits.specs import OtherOptimizer, from_spec, to_spec
from pymc_bnn.saving.arrays import flat_of, tree_of

__all__ = [
    "fit_to_json",
    "guide_from_json",
    "guide_to_json",
    "params_of",
    "program_from_json",
    "program_to_json",
    "record_from_json",
    "record_to_json",
    "state_from_arrays",
    "state_to_arrays",
]

Json = dict[str, Any]
Arrays = Mapping[str, np.ndarray]
_OF_RECORDS = ("rise", "settled", "gain", "recoveries")


def guide_to_json(guide: JointGuide, store: Store) -> list[Json]:
    """Describe the guides of all free variables; their first parameters go to the store.

    Examples
    --------
    >>> from pymc_bnn.inference.prepare import prepare
    >>> guide_to_json.__name__
    'guide_to_json'
    """
    store.update(flat_of(guide.first, "first"))
    return [
        {
            "name": b.name,
            "guide": to_spec(b.guide, "guide"),
            "variables": [f.name for f in b.variables],
            "shapes": {role: list(np.shape(a)) for role, a in b.params.items()},
        }
        for b in guide.blocks
    ]


def guide_from_json(written: list[Json], arrays: Arrays, problem: Problem) -> JointGuide:
    """Return the guides that were described, of a problem's variables.

    Examples
    --------
    >>> guide_from_json.__name__
    'guide_from_json'
    """
    free = {f.name: f for f in problem.terms.free}
    template = {
        b["name"]: {
            role: jax.ShapeDtypeStruct(tuple(shape), np.dtype("float64"))
            for role, shape in b["shapes"].items()
        }
        for b in written
    }
    first = tree_of(template, arrays, "first")
    blocks = []
    for b in written:
        guide = from_spec(b["guide"])
        if not isinstance(guide, Guide):
            raise ValueError(f"a guide that is {guide!r:.80}")
        variables = tuple(free.pop(name) for name in b["variables"])
        blocks.append(Block(b["name"], guide, variables, first[b["name"]]))
    if free:
        raise ValueError(f"no guide of {list(free)}")
    with precision(problem.dtype):
        return JointGuide(blocks, problem.dtype)


def params_of(guide: JointGuide, arrays: Arrays, members: int | None = None) -> Any:
    """Return parameters of guides, of several members with a leading axis.

    Examples
    --------
    >>> params_of.__name__
    'params_of'
    """
    return tree_of(_template(guide, members), arrays, "params")


def _template(guide: JointGuide, members: int | None = None) -> Any:
    more = () if members is None else (members,)
    dtype = np.dtype(guide.dtype)
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct((*more, *np.shape(a)), dtype), guide.first)


def program_to_json(program: Program, store: Store) -> Json:
    """Describe what was run.

    Raises
    ------
    TypeError
        For a method other than variational inference.

    Examples
    --------
    >>> program_to_json.__name__
    'program_to_json'
    """
    method = to_spec(program.method, "method")
    scheduled = callable(program.kl_weight)
    if scheduled:
        store.add("kl_weights", program.kl_weight_at(np.arange(max(program.plan.steps, 1))))
    return {
        "method": method,
        "plan": to_spec(replace(program.plan, mesh=None), "plan"),
        "blocks": guide_to_json(program.guide, store),
        "particles": int(program.particles),
        "warmup": int(program.warmup),
        "scheduled": scheduled,
        "dropout": bool(program.dropout),
        "stacks": bool(program.stacks.groups),
    }


def program_from_json(written: Json, arrays: Arrays, problem: Problem) -> VIProgram:
    """Return the program that was described.

    Examples
    --------
    >>> program_from_json.__name__
    'program_from_json'
    """
    weights = arrays["kl_weights"] if written["scheduled"] else None
    method, plan = from_spec(written["method"], weights), from_spec(written["plan"])
    if not isinstance(method, VI):
        raise ValueError(f"a method that is {method!r:.80}")
    guide = guide_from_json(written["blocks"], arrays, problem)
    if not written.get("stacks", False):  # the optimiser's moments are those of each by itself
        guide.stacks = Stacks()
    later = partial(_elbo, problem, guide, method.estimator)
    latents = tuple(b.name for b in guide.blocks if b.rows)
    elbo = LaterElbo(later, latents, bool(written["dropout"]))
    particles, warmup = int(written["particles"]), int(written["warmup"])
    return method.program(problem, plan, guide, elbo, particles, warmup)


def _elbo(problem: Problem, guide: JointGuide, estimator: Any) -> Any:
    with precision(problem.dtype):
        return assemble(problem.terms, guide, problem.dtype, estimator)


def state_from_arrays(program: VIProgram, arrays: Arrays, members: int | None = None) -> State:
    """Return the last state, of several members with a leading axis.

    That of an optimiser that was passed to `fit` stays a dict of its arrays.

    Examples
    --------
    >>> state_from_arrays.__name__
    'state_from_arrays'
    """
    more = () if members is None else (members,)
    params = params_of(program.guide, arrays, members)
    if isinstance(program.optimizer, OtherOptimizer):
        begin = "opt_state/"
        opt_state = {k.removeprefix(begin): a for k, a in arrays.items() if k.startswith(begin)}
    else:
        with precision(program.dtype):
            first = _template(program.guide)

            def begin(params: Any) -> Any:
                packed = program.stacks.pack(params)
                return first_state(program.optimizer, packed, program.elbo.latents)

            of_one = jax.eval_shape(begin, first)
        template = jax.tree.map(lambda a: jax.ShapeDtypeStruct((*more, *a.shape), a.dtype), of_one)
        opt_state = tree_of(template, arrays, "opt_state")
    key, step = arrays["key"], arrays["step"]
    if key.shape != (*more, 2) or key.dtype != np.uint32:
        raise ValueError(f"a random key of {key.dtype} {key.shape}")
    if step.shape != more or step.dtype != np.int32:
        raise ValueError(f"a number of steps of {step.dtype} {step.shape}")
    return State(params, opt_state, key, step[()] if not more else step)


def state_to_arrays(state: State, store: Store) -> None:
    """Put a state into a store.

    Examples
    --------
    >>> store = Store()
    >>> state_to_arrays(State({}, (), np.zeros(2, "uint32"), np.int32(3)), store)
    >>> sorted(store.arrays)
    ['key', 'step']
    """
    store.update(flat_of(state.params, "params"))
    store.update(flat_of(state.opt_state, "opt_state"))
    store.add("key", state.key)
    store.add("step", state.step)


def record_to_json(records: Sequence[Record], store: Store) -> list[Json]:
    """Describe what runs left; their metrics go to the store.

    Examples
    --------
    >>> record_to_json([Record(Metrics.join([]))], Store())[0]["interrupted"]
    False
    """
    written = []
    for i, record in enumerate(records):
        for name, values in record.metrics._asdict().items():
            store.add(f"metrics/{i}/{name}", values)
        own = {k: to_spec(getattr(record, k), k) for k in _OF_RECORDS}
        written.append({"interrupted": bool(record.interrupted), "steps": record.steps, **own})
    return written


def record_from_json(written: Sequence[Json], arrays: Arrays) -> list[Record]:
    """Return what runs left.

    Examples
    --------
    >>> store = Store()
    >>> written = record_to_json([Record(Metrics(*np.ones((3, 5))))], store)
    >>> record_from_json(written, store.arrays)[0].steps
    5
    """
    records = []
    for i, own in enumerate(written):
        metrics = Metrics(*(arrays[f"metrics/{i}/{name}"] for name in Metrics._fields))
        parts = {k: from_spec(own[k]) for k in _OF_RECORDS}
        records.append(Record(metrics, bool(own["interrupted"]), **parts))
    return records


def fit_to_json(
    program: Program,
    state: State,
    records: Sequence[Record],
    kl_path: pd.DataFrame | None,
    store: Store,
) -> Json:
    """Describe a fit, of one member or several; arrays go to the store.

    Examples
    --------
    >>> fit_to_json.__name__
    'fit_to_json'
    """
    state_to_arrays(state, store)
    words = [int(word) for word in np.asarray(state.key).reshape(-1, 2)[0]]
    return {
        "program": program_to_json(program, store),
        "records": record_to_json(records, store),
        "kl_path": None if kl_path is None else frame_to_json(kl_path),
        "seed": (words[0] << 32) + words[1],
        "step": int(np.max(state.step)),
        "planned_steps": int(program.plan.steps),
    }
