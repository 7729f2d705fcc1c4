"""Data to predict from: rows, and what does not vary per example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.model.absent import absent
from pymc_bnn.prediction.predictor import Predictor
from pymc_bnn.prediction.requests import NEW_DATA, Request

__all__ = ["Rows", "need_density"]


@dataclass(frozen=True, eq=False)
class Rows:
    """What a predictor is given.

    Attributes
    ----------
    rows, rest : dict from str to numpy.ndarray
        Data that vary per example, and that do not.
    n : int or None
        How many rows there are.
    lengths : dict from str to int
        The rows of each variable that is predicted.
    batched : bool
        Whether rows may come in batches: those of several likelihoods may be of several numbers.

    Examples
    --------
    >>> Rows({}, {}, None, {}, False).n
    """

    rows: dict[str, np.ndarray]
    rest: dict[str, np.ndarray]
    n: int | None
    lengths: dict[str, int]
    batched: bool

    @classmethod
    def of(cls, predictor: Predictor, request: Request) -> Rows:
        """Check the data of a request, and take apart what varies per example.

        Raises
        ------
        ValueError
            For labels or indices out of range, or no rows, or several numbers of them.
        """
        terms, used, given = predictor.terms, predictor.used, request.values
        origin = request.origin
        graphs = list(predictor.outputs.graphs.values())
        missing = absent(terms, graphs, but=given)
        if missing:
            rule = "hold the data that predictions need and that were not saved with the fit"
            got = sorted(given) or "none"
            repair = f"add {missing}, or load the fit with model=, a model that holds them"
            raise invalid(str(NEW_DATA), rule, got, repair)
        predictor.rules.check({**terms.arrays(), **given}, origin["{name}"], only=given)
        arrays = {d.name: given.get(d.name, d.value) for d in used}
        rows = {d.name: arrays[d.name] for d in used if d.per_example}
        rest = {d.name: arrays[d.name] for d in used if not d.per_example}
        sizes = {d.variable: len(rows[d.name]) for d in used if d.per_example}
        n = next(iter(sizes.values()), None)
        if n == 0:
            raise invalid(str(origin), "have at least one row", "none", "pass some examples")
        lengths: dict[str, int] = {}
        keys, parents = list(predictor.outputs.graphs), predictor.parents
        for name in dict.fromkeys([*(key.variable for key in keys), *parents]):
            behind = set().union(*(predictor.behind[k] for k in keys if k.variable == name))
            found = {m for v, m in sizes.items() if v in behind}
            found |= {lengths[p] for p in parents.get(name, ()) if p in lengths}
            if len(found) > 1:
                got = {k: len(value) for k, value in rows.items()}
                raise invalid(str(origin), "have one number of rows", got, "pass as many of each")
            o = predictor.observed.get(name)
            own = o.n if o is not None and not (o.per_example and n) else n or 1
            lengths[name] = found.pop() if found else own
        return cls(rows, rest, n, lengths, n is not None and len(set(sizes.values())) == 1)

    @contextmanager
    def shapes(self, predictor: Predictor) -> Iterator[None]:
        """Turn errors about shapes into one that lists the data."""
        try:
            yield
        except (TypeError, ValueError, IndexError) as error:
            raise self._refused(predictor, error) from error

    def _refused(self, predictor: Predictor, error: Any) -> Exception:
        terms, names = predictor.terms, [*predictor.observed, *predictor.var_names]
        if "concrete" in str(error):
            rule = "leave to JAX no length that is computed from the number of rows"
            repair = "leave such a deterministic out, or write it without pt.ones_like and such"
            return invalid("model", rule, f"one in {names}", repair, NotImplementedError)
        shapes = ", ".join(f"'{k}' {v.shape}" for k, v in {**self.rows, **self.rest}.items())
        lengths = {o.n for o in terms.observed}
        bound = [f.name for f in terms.free if f.start.ndim and len(f.start) in lengths]
        repair = "pass as many rows of each, or as many as the fit had"
        if bound:
            repair = f"pass as many rows as the fit had: {bound} belong to them (for new ones "
            repair += f"pm.sample_posterior_predictive draws them anew: sample_vars={bound})"
        got = f"{shapes} ({first_line(error)})"
        return invalid("new_data", "have shapes that the model accepts", got, repair)


def need_density(predictor: Predictor, rows: Rows, argument: str = "new_data") -> None:
    """Raise unless the data hold what was observed."""
    if predictor.with_density:
        return
    terms, got = predictor.terms, sorted(rows.rows)
    if not terms.observed:
        repair = "there is no density of new data by a potential"
        raise invalid("model", "have observed variables", "potentials only", repair)
    if terms.row_density is None or len({o.n for o in terms.observed}) > 1:
        rule = "be of a model whose log-likelihood has one value for each row"
        raise invalid(argument, rule, got, "compute it from predictions")
    repair = f"add {[o.name for o in terms.observed]}"
    raise invalid(argument, "contain the observed variables", got, repair)
