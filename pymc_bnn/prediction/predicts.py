"""The methods of a result that predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import xarray as xr

from pymc_bnn._checks import check_int
from pymc_bnn._habits import ANYWHERE, answers
from pymc_bnn.data.prefetcher import STALL_S
from pymc_bnn.model.problem import Problem
from pymc_bnn.posterior.base import Posterior
from pymc_bnn.prediction.predict import ask, ask_density, density, predict
from pymc_bnn.prediction.requests import check_prediction, warn_of_one_draw
from pymc_bnn.prediction.results import Prediction
from pymc_bnn.prediction.store import write_predictions
from pymc_bnn.runtime.noise import seed_of
from pymc_bnn.runtime.sharding import mesh_of

__all__ = ["Predicts"]

_HABITS = {  # of scikit-learn and PyMC
    **ANYWHERE,
    "x X data": "pass new_data={'x': …}, by the names of the model's data",
    "n n_samples num_samples samples size": "pass draws=100",
    "return_std return_cov": "it is there: fitted.predict(…)['y'].std",
    "predictions": "pass new_data={'x': …}",
}


class Predicts:
    """What has a problem, a posterior of it, and a weight of the KL that it was found with.

    Examples
    --------
    >>> Predicts.__name__
    'Predicts'
    """

    problem: Problem
    posterior: Posterior
    kl_weight: float

    @answers(_HABITS)
    def predict(
        self,
        new_data: Mapping[str, Any] | None = None,
        draws: int = 100,
        *,
        batch_size: int = 256,
        at: str = "draws",
        keep_draws: bool = True,
        var_names: str | Sequence[str] = (),
        mc_dropout: bool = False,
        random_seed: Any = None,
        devices: str | int | Sequence[Any] | None = None,
        progressbar: bool = True,
    ) -> Prediction:
        """Predict, streaming over examples and posterior draws.

        Parameters
        ----------
        new_data : mapping from str to array_like, optional
            New values of the model's data, by name; by default those that the model holds now (of
            a streamed fit: its sample). With observed variables log-densities come back, too.
            Columns of a DataFrame are put in order by name where the names are known: from a frame
            given to `bayesian` or yielded by `data`, or from the coords of the second dim.
            ``pm.Data("x", frame)`` without dims keeps an array: there positions count.
        draws : int, optional
            Posterior draws.
        batch_size : int, optional
            Examples at once; bounds the memory and does not change the numbers beyond rounding.
        at : {"draws", "mean"}, optional
            "mean" predicts with every weight at its posterior mean (of the unconstrained space):
            once, or `draws` times where an observed variable's samples vary all the same.
        keep_draws : bool, optional
            False keeps sums over draws only, so that memory does not grow with `draws`.
        var_names : sequence of str, optional
            Deterministics to return as well; those that look across rows are evaluated whole.
        mc_dropout : bool, optional
            Keep the dropout of the network, with a mask of its own for each example and draw ("MC
            dropout", Gal and Ghahramani 2016). By default it is absent in predictions.
        random_seed : int or numpy.random.Generator, optional
            Seed of the draws.
        devices : "all", int or sequence of jax.Device, optional
            Split the rows of each batch over several devices, as in :func:`pymc_bnn.fit`.
        progressbar : bool, optional
            Show draws, rate and remaining time, in terminals and notebooks, after a second.

        Returns
        -------
        Prediction
            See there.

        Raises
        ------
        ValueError
            For unknown names, missing data, wrong shapes, NaN, other columns, labels or indices out
            of range, or draws of more than 2 GiB.
        TypeError
            For data that are not numbers; the error names the columns.

        Examples
        --------
        >>> import numpy as np, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.arange(9.0))
        ...     y = pm.Normal("y", pm.Normal("b") * x, 1, observed=np.arange(9.0))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> pred = fitted.predict({"x": [10.0, 20.0]}, draws=50, random_seed=1)
        >>> pred["y"].samples.shape
        (50, 2)
        """
        draws, batch_size = check_prediction(draws, batch_size, at, self.posterior)
        mesh = mesh_of(devices)
        predictor, rows = ask(self.problem, new_data, var_names, mc_dropout)
        warn_of_one_draw(draws, predictor.has_values)
        return predict(
            self.posterior,
            predictor,
            rows,
            draws,
            batch_size,
            at,
            keep_draws,
            random_seed,
            mesh,
            progressbar=progressbar,
        )

    def predict_to(
        self,
        store: Any,
        batches: Iterable[Any],
        draws: int = 100,
        *,
        batch_size: int = 256,
        at: str = "draws",
        keep_draws: bool = False,
        var_names: str | Sequence[str] = (),
        mc_dropout: bool = False,
        random_seed: Any = None,
        stall_timeout: float = STALL_S,
        progressbar: bool = True,
    ) -> xr.Dataset:
        """Predict batches of new data, and write the predictions to a Zarr store as they come.

        For more examples than memory holds: neither data nor predictions are ever there as a
        whole. Class probabilities and votes are those that :meth:`predict` gives for all examples
        at once, with the same seed; samples of other variables are other ones from the same
        distribution, from the second batch on.

        Parameters
        ----------
        store : path or Zarr store
            A folder that does not exist yet.
        batches : iterable
            Of batches of new data: each maps names to arrays, as `new_data` of :meth:`predict`, or
            is a tuple in the order of `fit`'s batches, whose last names may be left out. Observed
            variables among them give log-densities, too. All batches have the same names.
        draws, at, var_names, mc_dropout, random_seed
            As in :meth:`predict`; `var_names` must vary per example.
        batch_size : int, optional
            Examples on the device at once; larger batches are taken apart.
        keep_draws : bool, optional
            Write each draw as well.
        stall_timeout : float, optional
            Seconds after which an iterable that yields nothing is an error.
        progressbar : bool, optional
            Show how many examples are written.

        Returns
        -------
        xarray.Dataset
            The store, read when used. Of a class variable "y": y_mean_probs and y_expected_entropy
            (nats), y_label_votes, y_class_votes; with draws y_probs and y. Of another: y_mean,
            y_std; with draws y. With observed data: log_density. Its attribute `complete` is 1 once
            all is there.

        Raises
        ------
        ValueError, TypeError
            For a bad argument, or a bad batch.
        StreamError
            When `batches` fails or stalls. Whatever the error, examples written before can be read
            (``xarray.open_zarr(store, consolidated=False)``); its `written` and a note say how many
            there are.

        Examples
        --------
        >>> import tempfile
        >>> import numpy as np, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     x = pm.Data("x", np.arange(9.0))
        ...     y = pm.Normal("y", pm.Normal("b") * x, 1, observed=np.arange(9.0))
        >>> fitted = bnn.fit(model, steps=2000, random_seed=1, progressbar=False)
        >>> batches = ({"x": np.arange(i, i + 5.0)} for i in range(0, 20, 5))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     found = fitted.predict_to(f"{folder}/pred.zarr", batches, 50, progressbar=False)
        ...     dict(found.sizes)
        {'example': 20}
        """
        draws, batch_size = check_prediction(draws, batch_size, at, self.posterior)
        return write_predictions(
            self.problem,
            self.posterior,
            self.kl_weight,
            store,
            batches,
            draws,
            batch_size,
            at,
            keep_draws,
            var_names,
            mc_dropout,
            seed_of(random_seed),
            stall_timeout,
            progressbar,
        )

    def nll(self, new_data: Mapping[str, Any], draws: int = 100, *, random_seed: Any = 0) -> float:
        """Return the negative log predictive density per example of observed new data, in nats.

        Examples
        --------
        >>> import numpy as np, pymc as pm, pymc_bnn as bnn
        >>> with pm.Model() as model:
        ...     y = pm.Normal("y", pm.Normal("mu"), observed=np.zeros(99))
        >>> fitted = bnn.fit(model, steps=1000, random_seed=1, progressbar=False)
        >>> 0.9 < fitted.nll({"y": np.zeros(5)}) < 0.95
        True
        """
        draws = check_int("draws", draws, 1, None, "pass draws=100")
        asked = ask_density(self.problem, new_data)
        return float(-density(self.posterior, asked, draws, random_seed).mean())
