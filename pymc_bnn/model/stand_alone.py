"""Whether the likelihood of rows is the same in batches as among all rows."""

from __future__ import annotations

from functools import partial

import numpy as np

from pymc_bnn.graphs.to_jax import jaxify
from pymc_bnn.model.independence.compare import check_rows
from pymc_bnn.model.terms import ModelTerms
from pymc_bnn.runtime.compilation import Compiled
from pymc_bnn.runtime.precision import narrow, precision

__all__ = ["rows_stand_alone"]


def rows_stand_alone(terms: ModelTerms, seed: int, size: int) -> None:
    """Raise unless the likelihood of rows in batches is what it is among all rows.

    Where the graph says so, nothing is computed; else batches of `size` rows are compared with all.

    Examples
    --------
    >>> import pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> from pymc_bnn.model.rows import find_rows
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(30))
    >>> rows_stand_alone(decompose(model, find_rows(model)[0]), 0, 10)
    """
    if not terms.unsure:
        return
    rng = np.random.default_rng(seed)
    # Away from constant starts, where much of a model may cancel.
    values = {
        f.name: f.start + (0.1 if f.spread else 1.0) * rng.standard_normal(f.start.shape)
        for f in terms.free
    }
    exact = any(f.value.dtype == "float64" for f in terms.free)  # what the graph itself can tell
    with precision("float64"):
        by_row = sum((f.row_logp for f in terms.free if f.per_example), terms.row_logp)
        lifted = jaxify([*terms.values, *terms.inputs], [by_row], "float64")
        values = {name: np.asarray(v, "float64") for name, v in values.items()}
        logp = Compiled(
            lambda v, data: lifted(
                *(data.get(f.name, v[f.name]) for f in terms.free),
                *(data[d.name] for d in terms.data),
            )[0]
        )
        per_example = {d.name: narrow(d.value, "float64") for d in terms.data if d.per_example}
        rest = {d.name: narrow(d.value, "float64") for d in terms.data if not d.per_example}
        suspects = ", ".join(f"'{name}' {value.shape}" for name, value in per_example.items())
        as_many = [f.name for f in terms.free if f.start.shape[:1] == (terms.n_rows,)]
        if as_many:
            suspects += f" (free variables with as many rows: {as_many})"
        per_example |= {name: np.asarray(values[name]) for name in terms.latents}
        check_rows(partial(logp, values), per_example, rest, rng, suspects, size, exact=exact)
