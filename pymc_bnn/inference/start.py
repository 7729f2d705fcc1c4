"""Where guides start: at the model's initial values, at given ones, or at an earlier fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pymc as pm
from pymc.initial_point import make_initial_point_fn

from pymc_bnn._checks import check_finite, invalid
from pymc_bnn._warnings import warn
from pymc_bnn.graphs.interpreted import Interpreted, without_c
from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.guides import Block, Guide, JointGuide, Start, make_blocks
from pymc_bnn.inference.prior_scales import prior_scales
from pymc_bnn.model.conditions import law_of, op_of
from pymc_bnn.model.sigmas import normal_sigmas
from pymc_bnn.model.terms import FreeVariable, ModelTerms
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.of_guides import GuidePosterior

__all__ = ["check_first", "check_start", "first_scales", "starting_blocks"]


def check_start(start: Any, model: pm.Model) -> None:
    """Raise unless `start` can be one: None, a fit, or values of free variables by name.

    Examples
    --------
    >>> check_start(None, None)
    """
    if start is None:
        return
    if isinstance(start, Posterior):
        names = list(start.moments()[0])
        if not set(names) & {rv.name for rv in model.free_RVs}:
            rule, repair = "be a fit that shares free variables with the model", "leave it out"
            raise invalid("start", rule, f"one of {names}", repair)
        return
    if not isinstance(start, Mapping):
        rule = "be a dict of values by variable name, an Approximation or a Posterior"
        got = f"a {type(start).__name__}"
        raise invalid("start", rule, got, 'pass {"mu": 0.0}, say', TypeError)
    shapes = {
        rv.name: tuple(int(n) for n in Interpreted([], rv.shape)())
        for rv in model.free_RVs
        if rv.name in start
    }
    ignored = _transformed_names(start, model)
    unknown = [name for name in start if name not in shapes and name not in ignored]
    if unknown:
        known = [rv.name for rv in model.free_RVs]
        raise invalid("start", "name free variables", unknown, f"choose from {known}")
    for name, value in start.items():
        if name in ignored:
            continue
        if np.asarray(value).dtype.kind not in "biuf":
            rule, repair = "hold numbers", "pass a number or an array"
            raise invalid(f"start[{name!r}]", rule, repr(value), repair, TypeError)
        check_finite(f"start[{name!r}]", np.asarray(value))
        if np.shape(value) != shapes[name]:
            rule, repair = f"have the variable's shape {shapes[name]}", "reshape it"
            raise invalid(f"start[{name!r}]", rule, np.shape(value), repair)


def _transformed_names(start: Mapping[str, Any], model: pm.Model) -> set[str]:
    """Return names of unconstrained values beside the variables' own, as pm.find_MAP gives them."""
    pairs = {model.rvs_to_values[rv].name: rv.name for rv in model.free_RVs}
    return {n for n in start if n in pairs and pairs[n] in start and n != pairs[n]}


def starting_blocks(
    terms: ModelTerms,
    assigned: Mapping[str, tuple[str, Guide]],
    start: Mapping[str, Any] | Posterior | None,
    dtype: str,
    seed: int,
) -> tuple[Block, ...]:
    """Return the blocks of the guides with their first parameters.

    Parameters
    ----------
    terms : ModelTerms
        The model.
    assigned : mapping
        From :func:`pymc_bnn.guides.assign_guides`.
    start : mapping, Posterior or None
        Values of some variables in the model's own space (also what ``pm.find_MAP`` returns), or
        an earlier fit, of which what has the same name, shape and transform is taken over: all
        parameters where the guide is the same one, else means and standard deviations.
    dtype : {"float32", "float64"}
        Precision; call it inside :func:`pymc_bnn.runtime.precision.precision`.
    seed : int
        Of random first parameters.

    Returns
    -------
    tuple of Block
        In the order of their first variables.

    Raises
    ------
    ValueError
        If a value lies outside the support of its variable.

    Examples
    --------
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.guides import assign_guides
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> guides = assign_guides(None, ["mu"])
    >>> starting_blocks(decompose(model), guides, {"mu": 2.0}, "float32", 0)[0].params["loc"]
    array(2.)
    """
    locs = {f.name: np.asarray(f.start, float) for f in terms.free}
    scales = first_scales(terms, assigned, dtype)
    previous = None
    if isinstance(start, Mapping):
        locs |= _unconstrained(terms, start, dtype)
    elif start is not None:
        means, stds = start.moments()
        if isinstance(start, GuidePosterior):
            previous = start.guide
            spaces = {f.name: _space(f) for b in previous.blocks for f in b.variables}
        else:  # of the same model, whose transforms it has
            known = [f for f in terms.free if f.name in means]
            spaces = {f.name: (f.name, f.transform, np.shape(means[f.name])) for f in known}
        for f in terms.free:
            if spaces.get(f.name) == _space(f):
                locs[f.name] = means[f.name].astype(float)
                scales[f.name] = np.where(stds[f.name] > 0, stds[f.name], scales[f.name])
        _warn_of_others(terms, spaces)
    starts = [Start(f, locs[f.name], scales[f.name]) for f in terms.free]
    blocks = make_blocks(assigned, starts, np.random.default_rng(seed))
    if previous is None:
        return blocks
    known = {b.name: b for b in previous.blocks}
    return tuple(
        replace(b, params={k: np.asarray(v, float) for k, v in start.params[b.name].items()})
        if b.name in known and _alike(b, known[b.name])
        else b
        for b in blocks
    )


def _space(f: FreeVariable) -> tuple[str, type | None, tuple[int, ...]]:
    """Return what must agree for unconstrained numbers to mean the same."""
    return f.name, f.transform, np.shape(f.start)


def _warn_of_others(terms: ModelTerms, spaces: Mapping[str, Any]) -> None:
    """Say what an earlier fit gave, and what it did not, where a name has another space there."""
    taken = [f.name for f in terms.free if spaces.get(f.name) == _space(f)]
    others = {}
    for f in terms.free:
        if f.name in spaces and f.name not in taken:
            (_, before, old), (_, after, new) = spaces[f.name], _space(f)
            what = ("shape", old, new) if old != new else ("transform", _name(before), _name(after))
            others[f.name] = "{} {} there and {} here".format(*what)
    if others:
        anew = [f.name for f in terms.free if f.name not in spaces]
        warn(
            f"`start` gave {_few(taken) if taken else 'nothing'}; these start anew: "
            + _few([f"'{name}' ({why})" for name, why in others.items()])
            + (f", and {_few(anew)}, not in it" if anew else "")
        )


def _few(names: Sequence[str]) -> str:
    """List the first few."""
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(n if n.startswith("'") else f"'{n}'" for n in names[:8]) + more


def _name(transform: type | None) -> str:
    return "none" if transform is None else transform.__name__


def _alike(a: Block, b: Block) -> bool:
    """Tell whether parameters of one block mean the same in the other."""
    first = {"init_scale": b.guide.init_scale, "relative_to": b.guide.relative_to}
    spaces = [[_space(f) for f in block.variables] for block in (a, b)]
    return spaces[0] == spaces[1] and replace(a.guide, **first) == b.guide


def _unconstrained(
    terms: ModelTerms, start: Mapping[str, Any], dtype: str
) -> dict[str, np.ndarray]:
    """Map values of variables to the unconstrained space."""
    model = terms.model
    overrides = {model[name]: np.asarray(value) for name, value in start.items()}
    with without_c():
        point = make_initial_point_fn(model=model, overrides=overrides)(0)
    given = [f for f in terms.free if f.name in start]
    back = jaxify(
        [*terms.values, *terms.inputs], [g for f in given for g in (f.constrained, f.logp)], dtype
    )
    found = iter(back(*(point[v.name] for v in terms.values), *terms.arrays().values()))
    for f in given:
        value, same, logp = np.asarray(start[f.name], float), next(found), next(found)
        # A transform may also take what it should not, such as shares that do not add up to 1.
        close = np.allclose(same, value, rtol=1e-3, atol=1e-4 * np.abs(value).max(initial=0))
        if not (close and np.isfinite(logp).all()):
            rule = "lie inside the support of the variable"
            raise invalid(f"start[{f.name!r}]", rule, start[f.name], "choose values inside")
    return {f.name: np.asarray(point[f.value.name], float) for f in given}


def first_scales(
    terms: ModelTerms, assigned: Mapping[str, tuple[str, Guide]], dtype: str
) -> dict[str, np.ndarray]:
    """Return the first posterior scale of each number, as its guide wants it.

    Examples
    --------
    >>> from pymc_bnn.guides import MeanField
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> float(first_scales(decompose(model), {"mu": ("mu", MeanField())}, "float32")["mu"])
    0.1
    """
    sigmas = normal_sigmas(terms, {f.name: f.start for f in terms.free}, dtype)
    by_prior = [f.name for f in terms.free if assigned[f.name][1].relative_to == "prior"]
    if set(by_prior) - set(sigmas):
        sigmas |= prior_scales(terms, {f.name: f.start for f in terms.free}, dtype, by_prior)
    scales = {}
    for f in terms.free:
        guide = assigned[f.name][1]
        own: Any = 1.0
        if guide.relative_to == "prior":
            own = sigmas[f.name]
        elif guide.relative_to == "start":
            # A vague prior says nothing about the scale of its variable.
            own = f.spread or min(float(np.median(sigmas.get(f.name, 1.0))), 1.0)
        # A flat prior has none, and one outside its support is named later.
        own = np.where(np.isfinite(own) & (np.asarray(own) > 0), own, 1.0)
        scales[f.name] = np.broadcast_to(guide.init_scale * own, f.start.shape).astype(float)
    return scales


def check_first(terms: ModelTerms, posterior: JointGuide, params: Mapping[str, Any]) -> None:
    """Raise unless every free variable starts at finite unconstrained values.

    Those of ordered cutpoints, say, are not where all start at one number.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.guides import assign_guides
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> start = Start(decompose(model).free[0], np.zeros(()), np.ones(()))
    >>> blocks = make_blocks(assign_guides(None, ["mu"]), [start], np.random.default_rng(0))
    >>> check_first(decompose(model), JointGuide(blocks, "float32"), {"mu": blocks[0].params})
    """
    if all(np.isfinite(a).all() for roles in params.values() for a in roles.values()):
        return
    means, _ = posterior.moments(params)
    for f in terms.free:
        if np.isfinite(means[f.name]).all():
            continue
        value, law = f.value.name, law_of(op_of(terms.model[f.name]))
        got = f"{value} = {np.array2string(means[f.name], threshold=6, precision=4)}"
        of = "increasing numbers, say" if "ordered" in value else "numbers inside its support"
        raise invalid(
            f.name,
            f"start inside the support of this {law}, where its unconstrained values are finite",
            got,
            f'pass initval= to it, {of}, or start={{"{f.name}": …}} to fit',
        )
