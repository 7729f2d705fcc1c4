"""Draws from a posterior for ArviZ, in the model's own space, with its labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import arviz_base
import jax
import numpy as np
import xarray as xr
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import as_names, invalid
from pymc_bnn.model.absent import absent, check_there
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.posterior.constrained import constrain
from pymc_bnn.posterior.runs import runs
from pymc_bnn.runtime.precision import precision

__all__ = ["LIMIT_BYTES", "choose_names", "labels", "sample", "to_dataset"]

LIMIT_BYTES = 2**31  # of draws that are kept


def labels(terms: ModelTerms, names: Iterable[str]) -> dict[str, Any]:
    """Return dims and coords of some variables, as ArviZ takes them.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model(coords={"k": [1, 2]}) as model:
    ...     y = pm.Normal("y", pm.Normal("mu", dims="k").sum(), observed=0.0)
    >>> labels(decompose(model), ["mu"])
    {'dims': {'mu': ['k']}, 'coords': {'k': [1, 2]}}
    """
    dims = {name: list(terms.dims[name]) for name in names if name in terms.dims}
    used = {d for own in dims.values() for d in own}
    return {"dims": dims, "coords": {d: c for d, c in terms.coords.items() if d in used}}


def to_dataset(terms: ModelTerms, values: Mapping[str, Any]) -> xr.Dataset:
    """Return one value of each variable as a data set with the model's labels.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> float(to_dataset(decompose(model), {"mu": 2.0})["mu"])
    2.0
    """
    arrays = {name: np.asarray(v) for name, v in values.items()}
    return arviz_base.dict_to_dataset(arrays, sample_dims=[], **labels(terms, values))


def choose_names(
    terms: ModelTerms, var_names: str | Sequence[str] | None, filter_vars: str | None
) -> dict[str, Any]:
    """Return names and graphs of the variables to draw, chosen as everywhere in ArviZ.

    By default free variables, and deterministics that do not depend on data of the examples, or
    on such as a saved fit was loaded without.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), pm.HalfNormal("s"), observed=np.zeros(9))
    >>> list(choose_names(decompose(model), "~mu", None))
    ['s']
    """
    known = {**{f.name: f.constrained for f in terms.free}, **terms.deterministics}
    if var_names is None:
        row_inputs = {d.variable for d in terms.data if d.per_example}
        own = {name: e for name, e in known.items() if not row_inputs & set(ancestors([e]))}
        return {name: e for name, e in own.items() if not absent(terms, [e])}
    asked = as_names("var_names", var_names)
    of_names = xr.Dataset(dict.fromkeys(known, 0))
    names = list(arviz_base.utils._var_names(asked, of_names, filter_vars))
    if not names:
        rule, repair = "match some variable", f"choose from {list(known)}"
        raise invalid("var_names", rule, var_names, repair)
    return {name: known[name] for name in names}


def sample(
    problem: Problem,
    posterior: Posterior,
    graphs: Mapping[str, Any],
    draws: int,
    key: jax.Array | None,
    attributes: Mapping[str, Any],
) -> xr.DataTree:
    """Draw variables of the model's own space; see :meth:`pymc_bnn.Approximation.sample`.

    Raises
    ------
    ValueError
        If the draws would take more than 2 GiB.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> graphs = choose_names(fitted.problem.terms, None, None)
    >>> tree = sample(fitted.problem, fitted.posterior, graphs, 5, jax.random.key(0), {})
    >>> tree.posterior["mu"].shape
    (1, 5)
    """
    terms, dtype, names = problem.terms, problem.dtype, list(graphs)
    check_there(terms, "sample", list(graphs.values()))
    with precision(dtype):
        function = constrain(terms, list(graphs.values()), dtype)
        itemsize = np.dtype(dtype).itemsize
        chains = runs(posterior, key)
        first = function(chains[0].draw_number(key, 0))
        total = draws * len(chains)
        sizes = {n: v.size * itemsize * total for n, v in zip(names, first, strict=True)}
        if sum(sizes.values()) > LIMIT_BYTES:
            largest = max(sizes, key=sizes.get)
            raise invalid(
                "draws",
                "need no more than 2 GiB of memory",
                f"{total} draws of {len(names)} variables, {sum(sizes.values()) / 2**30:.1f} "
                f"GiB (most of it '{largest}')",
                "choose fewer draws, or variables by var_names=",
            )
        drawn = [
            [function(chain.draw_number(key, i)) for i in range(int(c == 0), draws)]
            for c, chain in enumerate(chains)
        ]
        drawn[0].insert(0, first)
        values = {
            n: np.stack([np.stack([np.asarray(d[i]) for d in chain]) for chain in drawn])
            for i, n in enumerate(names)
        }
    return arviz_base.from_dict(
        {"posterior": values},
        **labels(terms, names),
        attrs={"posterior": {"inference_library": "pymc_bnn", **attributes}},
    )
