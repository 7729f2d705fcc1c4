"""Predictions of a posterior: draws of the weights through a compiled predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import jax
import numpy as np

from pymc_bnn._checks import as_names
from pymc_bnn.data.arrays import Origin
from pymc_bnn.graphs.interpreted import building
from pymc_bnn.inference.visit_progress import VisitProgress
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.prediction.predictor import Predictor
from pymc_bnn.prediction.requests import NEW_DATA, Request
from pymc_bnn.prediction.results import Prediction
from pymc_bnn.prediction.rows import Rows, need_density
from pymc_bnn.prediction.streaming import Stream
from pymc_bnn.runtime.noise import key_of
from pymc_bnn.runtime.precision import precision

__all__ = ["ask", "ask_density", "density", "predict", "predictor_for"]

# A problem's predictors, for as long as it lives.
_KNOWN: WeakKeyDictionary[Problem, dict[Any, Predictor]] = WeakKeyDictionary()


def ask(
    problem: Problem,
    new_data: Mapping[str, Any] | None,
    var_names: str | Sequence[str] | None = (),
    mc_dropout: bool = False,
) -> tuple[Predictor, Rows]:
    """Return a compiled predictor, and the data for it.

    The same names of data and deterministics compile but once. Arguments are those of
    :meth:`Predictor.of`.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> predictor, rows = ask(Problem.of(decompose(model), None, "float32"), None)
    >>> predictor.others, rows.lengths
    (['y'], {'y': 4})
    """
    return predictor_for(problem, Request.of(problem, new_data), var_names, mc_dropout)


def predictor_for(
    problem: Problem,
    request: Request,
    var_names: str | Sequence[str] | None = (),
    mc_dropout: bool = False,
) -> tuple[Predictor, Rows]:
    """Return the same for data that were read before.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> predictor_for(problem, Request.of(problem, {"y": np.zeros(2)}))[1].n
    2
    """
    known = _KNOWN.setdefault(problem, {})
    names = None if var_names is None else tuple(as_names("var_names", var_names))
    key = request.key, names, mc_dropout
    if key not in known:
        with building():
            known[key] = Predictor.of(problem, request, var_names, mc_dropout)
    return known[key], Rows.of(known[key], request)


def ask_density(
    problem: Problem, data: Mapping[str, Any], origin: Origin = NEW_DATA
) -> tuple[Predictor, Rows]:
    """Return the same for the log-density of rows, and nothing else; raise where there is none.

    Examples
    --------
    >>> import numpy as np, pymc as pm
    >>> from pymc_bnn.model.decompose import decompose
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(4))
    >>> problem = Problem.of(decompose(model), None, "float32")
    >>> predictor, rows = ask_density(problem, {"y": np.zeros(2)})
    >>> predictor.with_density, rows.n
    (True, 2)
    """
    predictor, rows = predictor_for(problem, Request.of(problem, data, origin), None)
    need_density(predictor, rows, argument=str(origin))
    return predictor, rows


def density(
    posterior: Posterior,
    asked: tuple[Predictor, Rows],
    draws: int,
    random_seed: Any,
    progressbar: bool = False,
) -> np.ndarray:
    """Return the log predictive density of each row, (n,), in nats.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
    >>> fitted = bnn.fit(model, steps=1000, random_seed=1, progressbar=False)
    >>> asked = ask_density(fitted.problem, {"y": np.zeros(3)})
    >>> density(fitted.posterior, asked, 50, 1).round(1).tolist()
    [-0.9, -0.9, -0.9]
    """
    options = {"keep_draws": False, "random_seed": random_seed, "progressbar": progressbar}
    return predict(posterior, *asked, draws, **options).log_density


def predict(
    posterior: Posterior,
    predictor: Predictor,
    rows: Rows,
    draws: int,
    batch_size: int = 256,
    at: str = "draws",
    keep_draws: bool = True,
    random_seed: Any = None,
    mesh: Any = None,
    first: int = 0,
    padded: int = 0,
    progressbar: bool = False,
) -> Prediction:
    """Predict as :meth:`pymc_bnn.Approximation.predict` does, with a predictor used often.

    Of a part of the data `first` is the number of its first example, which its random numbers
    depend on; batches are padded to at least `padded` rows, so that parts of other sizes compile
    nothing.

    Examples
    --------
    >>> import numpy as np, pymc as pm, pymc_bnn as bnn
    >>> with pm.Model() as model:
    ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
    >>> fitted = bnn.fit(model, steps=100, random_seed=1, progressbar=False)
    >>> asked = ask(fitted.problem, {"y": np.zeros(3)})
    >>> predict(fitted.posterior, *asked, draws=5, random_seed=1).log_density.shape
    (3,)
    """
    key = key_of(random_seed, "predict")
    # With fixed weights class probabilities do not vary; samples of other variables do.
    count = draws if at == "draws" or predictor.others or predictor.with_masks else 1

    center = posterior.center() if at == "mean" else None
    of_draws = jax.random.fold_in(key, 0)

    def weights(i: int) -> Mapping[str, Any]:
        return posterior.draw_number(of_draws, i) if center is None else center

    fixed = at == "mean" or posterior.fixed
    stream = Stream(count, batch_size, keep_draws, key, fixed, mesh, first, padded)
    with (
        precision(predictor.dtype),
        VisitProgress(count, "predicting", enabled=progressbar) as bar,
    ):
        return stream.run(predictor, rows, weights, bar.advance)
