"""A model at a glance: what each variable is, what it comes from and how it is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from html import escape
from io import StringIO

import numpy as np
import pandas as pd
import pymc as pm
from pymc.printing import str_for_dist
from pytensor.compile.sharedvalue import SharedVariable
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors
from pytensor.tensor.elemwise import DimShuffle
from pytensor.tensor.random.op import RandomVariable
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pymc_bnn._checks import invalid
from pymc_bnn.approximation import Approximation
from pymc_bnn.elbo.choose import Choice, Spec, choose
from pymc_bnn.graphs.interpreted import Interpreted, building
from pymc_bnn.guides import Guide, JointGuide
from pymc_bnn.inference.vi import VI
from pymc_bnn.mixture import Mixture
from pymc_bnn.model.checks import check_model
from pymc_bnn.model.conditions import law_of, node_of
from pymc_bnn.model.operations import Operation, operations
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.whole_or_rows import take_apart
from pymc_bnn.posterior.of_guides import GuidePosterior
from pymc_bnn.result import Result
from pymc_bnn.runtime.precision import precision

__all__ = ["ModelTable", "table"]

_HELD = "held"  # what is not learned is


@dataclass(frozen=True, eq=False, repr=False)
class ModelTable:
    """What :func:`table` returns; it prints itself, in notebooks as HTML.

    Attributes
    ----------
    frame : pandas.DataFrame
        A row per variable; columns: layer, output, parameters, prior, guide, estimator.
    title : str
        How many numbers are learned.
    """

    frame: pd.DataFrame
    title: str

    def __rich__(self) -> Table:
        shown = Table(title=self.title, title_justify="left", box=None, pad_edge=False)
        for column in ("variable", *self.frame.columns):
            shown.add_column(column, justify="right" if column == "parameters" else "left")
        for row in self.frame.reset_index().itertuples(index=False):
            shown.add_row(*(Text(f"{v:,}" if isinstance(v, int) else str(v)) for v in row))
        return shown

    def __str__(self) -> str:
        """Return the table as text, as wide as it is."""
        page = StringIO()
        Console(file=page, width=500, color_system=None).print(self)
        return "\n".join(line.rstrip() for line in page.getvalue().splitlines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.title)}</p>{self.frame.to_html()}"


def table(
    model: pm.Model | Approximation | Mixture | None = None,
    *,
    guide: Guide | Mapping[str, Guide] | None = None,
    estimator: Spec = "auto",
    batch_size: int | str | None = "auto",
    rows: str | Sequence[str] | None = None,
) -> ModelTable:
    """Return what each variable of a model is, and how :func:`pymc_bnn.fit` learns it.

    Parameters
    ----------
    model : pymc.Model, Approximation or Mixture, optional
        A model, by default that of the context, or what `fit` returned.
    guide, estimator, batch_size, rows : optional
        As in :func:`pymc_bnn.fit`, of which the table then tells; a fit has its own.

    Returns
    -------
    ModelTable
        Print it, look at it in a notebook, or take its `frame`. A row per free variable, and per
        ``pm.Data`` in the place of one (``pm.do``), from the data to the output; what belongs to no
        layer comes last. Columns:

        layer
            The operation that the variable enters: "dense", "conv", "scan" (recurrent), "bias"
            (added by itself), "Embedding", "LayerNorm", …; the number of them where they are of
            several kinds or shapes, and nothing where there is none.
        output
            The shape of what this operation hands on, with n rows.
        parameters
            How many numbers it has.
        prior
            As PyMC writes it; of numbers that differ the least and the largest.
        guide, estimator
            What it has; "held" of data.

    Raises
    ------
    ValueError, TypeError
        For bad arguments or models, as `fit`; for options beside a fit.

    Examples
    --------
    >>> import numpy as np
    >>> from pymc_bnn import bayesian, networks
    >>> with pm.Model() as model:
    ...     f = bayesian(networks.mlp((2, 8, 1)), np.zeros((20, 2)))[:, 0]
    ...     y = pm.Normal("y", f, pm.HalfNormal("noise"), observed=np.zeros(20), shape=f.shape)
    >>> print(table(model))
    34 numbers are learned
    variable  layer  output  parameters  prior                   guide      estimator
    dense1_W  dense  (n, 8)          16  Normal(0, 1.41)         MeanField  local
    dense1_b  dense  (n, 8)           8  Normal(0, 1)            MeanField  local
    dense2_W  dense  (n, 1)           8  Normal(0, 0.0809…1.83)  MeanField  local
    dense2_b  dense  (n, 1)           1  Normal(0, 1)            MeanField  local
    noise                             1  HalfNormal(0, 1)        MeanField  pathwise
    """
    fitted = model.members[0] if isinstance(model, Mixture) else model
    if isinstance(fitted, Result):
        options = (guide, None), (estimator, "auto"), (batch_size, "auto"), (rows, None)
        if any(given is not default for given, default in options):
            rule, repair = "be a model where there are options", "leave them out: the fit has its"
            raise invalid("model", rule, repr(fitted), repair)
        posterior = fitted.posterior
        if not isinstance(posterior, GuidePosterior):
            raise posterior.lacks("guides to tell of", "pass its model")
        return _table(fitted.problem, posterior.guide, posterior.elbo.choices)
    model = pm.modelcontext(fitted)
    check_model(model)
    method = VI(guide=guide, estimator=estimator)
    method.check(model)
    latents = method.by_rows(model)
    with building():
        taken = take_apart(model, batch_size, rows, 0, method.needs_rows, latents=latents)
    problem = Problem.of(taken.terms, taken.row_terms, "float32")
    with precision(problem.dtype):
        own = JointGuide(method.blocks(taken.terms, None, problem.dtype, 0), problem.dtype)
        choices = choose(taken.terms, own, estimator)
    return _table(problem, own, choices)


def _table(problem: Problem, guide: JointGuide, choices: Mapping[str, Choice]) -> ModelTable:
    terms, model = problem.for_predictions, problem.model
    places = operations(terms)
    guides = {f.name: type(b.guide).__name__ for b in guide.blocks for f in b.variables}
    rows = {
        f.name: {
            **_entered(places.get(f.name, [])),
            "parameters": int(f.start.size),
            "prior": _prior(model[f.name], model),
            "guide": guides[f.name],
            "estimator": choices[f.name].estimator.name,
        }
        for f in problem.terms.free
    }
    learned = sum(row["parameters"] for row in rows.values())
    held = {d.name: d.value for d in terms.data if d.name in places and d.name not in rows}
    for name, value in held.items():
        nothing = {"prior": _HELD, "guide": "", "estimator": ""}
        rows[name] = {**_entered(places[name]), "parameters": int(value.size), **nothing}
    first = {name: entered[0].place for name, entered in places.items()}
    order = sorted(rows, key=lambda name: first.get(name, np.inf))
    title = f"{learned:,} numbers are learned"
    title += f", {sum(v.size for v in held.values()):,} are held" if held else ""
    frame = pd.DataFrame.from_dict(rows, orient="index").loc[order].rename_axis("variable")
    return ModelTable(frame, title)


def _entered(places: Sequence[Operation]) -> dict[str, str]:
    kinds = {(place.kind, place.shape) for place in places}
    if len(kinds) != 1:
        return {"layer": f"{len(places)} layers" if places else "", "output": ""}
    [(kind, shape)] = kinds
    sizes = ["n" if size is None else str(size) for size in shape]
    return {"layer": kind, "output": f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"}


def _prior(rv: Variable, model: pm.Model) -> str:
    """Return a variable's law as PyMC writes it, with numbers in place of its ``<constant>``."""
    named = {v for v in model.named_vars.values() if not isinstance(v, SharedVariable)}
    node = node_of(rv)
    if not isinstance(node.op, RandomVariable):
        return str_for_dist(rv, named_vars=named).split(" ~ ", 1)[-1]
    arguments = (_argument(value, named) for value in node.op.dist_params(node))
    return f"{law_of(node.op)}({', '.join(arguments)})"


def _argument(value: Variable, named: Set[Variable]) -> str:
    """Return numbers, one or the least and the largest, or which variables they are made of."""
    while value.owner is not None and isinstance(value.owner.op, DimShuffle):
        value = value.owner.inputs[0]
    of = [v.name for v in ancestors([value], blockers=named) if v in named]
    if of:
        return of[0] if value in named else f"f({', '.join(of)})"
    numbers = Interpreted([], value)()
    low, high = f"{numbers.min():.3g}", f"{numbers.max():.3g}"
    return low if low == high else f"{low}…{high}"
