"""The predictive distribution of a model, compiled: frozen, with data as an argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pytensor.tensor as pt
from pytensor.graph.basic import Variable
from pytensor.graph.traversal import ancestors

from pymc_bnn._checks import as_names, invalid
from pymc_bnn.model.counts import exact_rows
from pymc_bnn.model.independence import row_use
from pymc_bnn.model.problem import Problem
from pymc_bnn.model.rules import DataRules
from pymc_bnn.model.terms import Data, ModelTerms, Observed
from pymc_bnn.prediction.outputs import Evaluation, Outputs
from pymc_bnn.prediction.requests import Request, not_enough, terms_for
from pymc_bnn.prediction.sampler import Sampler, is_class, probabilities
from pymc_bnn.prediction.targets import asked_for, graphs_of, has_density

__all__ = ["DENSITY", "Output", "Predictor"]


class Output(NamedTuple):
    """What JAX computes: class probabilities, a deterministic, or a parameter of a sampler."""

    variable: str
    parameter: int = 0


DENSITY = Output("")  # the log-likelihood of each row


@dataclass(frozen=True, eq=False)
class Predictor:
    """What is predicted of a model, and how: for any data of the same names.

    What stands row by row is evaluated in batches, what looks across rows with all at once.

    Attributes
    ----------
    terms : ModelTerms
        The model, with those data taken by rows whose rows are new.
    rules : DataRules
        What data must hold.
    dtype : {"float32", "float64"}
        Precision.
    observed : dict from str to Observed
        Observed variables that are predicted.
    var_names : tuple of str
        Deterministics that are returned as well.
    parents : dict from str to list of str
        The observed variables that one is drawn from in turn.
    samplers : dict from str to Sampler
        What is drawn on the host.
    outputs : Outputs
        What JAX computes, by :class:`Output`.
    across : dict from str to str
        Variables that look across rows on the host, and how.
    by_row, unknown : frozenset of Output
        What comes row by row, and of what only numbers can tell.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> Predictor.of(problem, Request.of(problem, None)).others
    ['y']
    """

    terms: ModelTerms
    rules: DataRules
    dtype: str
    observed: dict[str, Observed]
    var_names: tuple[str, ...]
    parents: dict[str, list[str]]
    samplers: dict[str, Sampler]
    outputs: Outputs
    across: dict[str, str]
    by_row: frozenset[Output]
    unknown: frozenset[Output]
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)  # of evaluations

    @classmethod
    def of(
        cls,
        problem: Problem,
        request: Request,
        var_names: str | Sequence[str] | None = (),
        mc_dropout: bool = False,
    ) -> Predictor:
        """Return the predictor of a model for data like those of a request.

        Parameters
        ----------
        problem : Problem
            The model, prepared.
        request : Request
            The data.
        var_names : str or sequence of str, optional
            Deterministics to return as well. None: nothing but the density.
        mc_dropout : bool, optional
            Keep the network's dropout, with a mask of its own for each example and draw.
        """
        terms = terms_for(problem.for_predictions, request)
        names = [] if var_names is None else as_names("var_names", var_names)
        targets = [] if var_names is None else asked_for(terms, request, names)
        observed = {o.name: o for o in targets}
        names = [name for name in names if name not in observed]
        drawn = graphs_of(terms, request, [*observed, *names])
        samplers, graphs = _split(observed, drawn)
        if has_density(terms, request):
            graphs[DENSITY] = exact_rows(terms, terms.row_density)

        # The fit found the rows of the likelihood independent of each other.
        checked = problem.terms.n_rows is not None and terms is problem.terms
        trusted = [key for key in graphs if key.variable not in names] if checked else []
        row_inputs = [d.variable for d in terms.data if d.per_example]
        outputs = Outputs.of(graphs, trusted, row_inputs, mc_dropout)
        if mc_dropout and not outputs.masks:
            rule = "be False for a network without dropout"
            raise invalid("mc_dropout", rule, True, "leave it out")
        predictor = cls(
            terms=terms,
            rules=problem.rules if terms is problem.for_predictions else DataRules.of(terms),
            dtype=problem.dtype,
            observed=observed,
            var_names=tuple(names),
            parents={name: list(parents) for name, (_, parents) in drawn.items()},
            samplers=samplers,
            outputs=outputs,
            across=_across(drawn, row_inputs, names),
            by_row=frozenset(
                key
                for key, kind in outputs.kinds.items()
                if kind == "rows" or (kind == "none" and _for_each_row(key, observed, drawn))
            ),
            unknown=frozenset(k for k, kind in outputs.kinds.items() if kind == "unknown"),
        )
        missing = [d.name for d in predictor.used if d.per_example]
        if request.rows is not None and set(missing) - request.rows:
            raise not_enough(terms, request, [name for name in missing if name not in request.rows])
        return predictor

    @property
    def classes(self) -> list[str]:
        """Observed variables that are predicted by class probabilities."""
        return [name for name, o in self.observed.items() if is_class(o)]

    @property
    def others(self) -> list[str]:
        """Observed variables that are predicted by samples."""
        return [name for name, o in self.observed.items() if not is_class(o)]

    @cached_property
    def numbers(self) -> dict[Output, int]:
        """Class probabilities that JAX votes on; the votes of each depend on its number."""
        voting = [name for name in self.classes if not self.parents[name]]
        return {Output(name): number for number, name in enumerate(voting)}

    @property
    def with_density(self) -> bool:
        """Whether the data hold what was observed of each row."""
        return DENSITY in self.outputs.graphs

    @property
    def with_masks(self) -> bool:
        """Whether dropout is kept."""
        return bool(self.outputs.masks)

    @property
    def has_values(self) -> bool:
        """Whether something is predicted that has a standard deviation."""
        return bool(self.others or self.var_names)

    @cached_property
    def behind(self) -> dict[Output, set[Variable]]:
        """What each output depends on."""
        return {key: set(ancestors([graph])) for key, graph in self.outputs.graphs.items()}

    @cached_property
    def used(self) -> list[Data]:
        """The data that some output depends on."""
        return [d for d in self.terms.data if any(d.variable in b for b in self.behind.values())]

    @property
    def kinds(self) -> dict[str, str]:
        """How each variable that is predicted depends on rows: "rows", "none", or what mixes."""
        found, kinds = {}, self.outputs.kinds
        for name in (*self.classes, *self.others, *self.var_names):
            keys = [key for key in kinds if key.variable == name]
            keys = [key for key in keys if kinds[key] not in ("none", "length")]
            mixed = [self.outputs.why[key] for key in keys if key not in self.by_row]
            mixed += [self.across[name]] if name in self.across else []
            o = self.observed.get(name)
            rows = o.per_example if o is not None else keys or self.parents[name]
            found[name] = mixed[0] if mixed else "rows" if rows else "none"
        return found

    @property
    def names(self) -> list[str]:
        """Names of what varies per example and is predicted: variables and deterministics."""
        return [name for name, kind in self.kinds.items() if kind == "rows"]

    def evaluation(self, keys: Sequence[Output], whole: bool) -> Evaluation:
        """Return the evaluation of some outputs, in batches or with all rows."""
        behind = set().union(*(self.behind[key] for key in keys))
        data = {d.name: d.variable for d in self.used if d.variable in behind}
        values = {f.name: f.value for f in self.terms.free}
        return Evaluation(self.outputs, keys, self.numbers, values, data, self.dtype, whole)

    def evaluations(self, batched: bool) -> list[Evaluation]:
        """Return the evaluation of what comes in batches, and of what needs all rows."""
        if batched not in self.cache:
            by_row = [key for key in self.outputs.graphs if batched and key in self.by_row]
            rest = [key for key in self.outputs.graphs if key not in by_row]
            parts = [(by_row, False), (rest, True)]
            self.cache[batched] = [self.evaluation(keys, whole) for keys, whole in parts if keys]
        return self.cache[batched]


def _split(
    observed: Mapping[str, Observed], drawn: Mapping[str, Any]
) -> tuple[dict[str, Sampler], dict[Output, Variable]]:
    """Return what is drawn on the host, and what JAX computes: all else, and its parameters."""
    samplers: dict[str, Sampler] = {}
    graphs: dict[Output, Variable] = {}
    for name, (graph, by_name) in drawn.items():
        parents = list(by_name.values())
        o = observed.get(name)
        if o is not None and not is_class(o):
            samplers[name] = Sampler.of(o, graph, parents)
            continue
        graph = graph if o is None else probabilities(graph)
        if parents:
            samplers[name] = Sampler(graph, pt.lscalar("n"), parents)
        else:
            graphs[Output(name)] = graph
    for name, sampler in samplers.items():
        graphs |= {Output(name, j): p for j, p in enumerate(sampler.parameters)}
    return samplers, graphs


def _across(
    drawn: Mapping[str, Any], row_inputs: Sequence[Variable], var_names: Sequence[str]
) -> dict[str, str]:
    """Return what looks across rows where it is drawn on the host."""
    inputs = [*row_inputs, *(v for _, by_name in drawn.values() for v in by_name.values())]
    chained = [name for name, (_, parents) in drawn.items() if parents]
    uses = row_use([drawn[name][0] for name in chained], inputs)
    return {
        name: use.why
        for name, use in zip(chained, uses, strict=True)
        if use.kind == "mixed" or (use.kind == "unknown" and name in var_names)
    }


def _for_each_row(key: Output, observed: Mapping[str, Observed], drawn: Mapping[str, Any]) -> bool:
    """Tell whether what no row changes is wanted for each row: one probability for all."""
    o = observed.get(key.variable)
    votes = o is not None and is_class(o) and not drawn[key.variable][1]
    return not votes or o.per_example
