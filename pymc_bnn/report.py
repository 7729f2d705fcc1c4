"""A folder that says how good a fitted classifier is and how sure: numbers, pictures, files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pymc_bnn import plots, uncertainty
from pymc_bnn._checks import check_int, check_positive, invalid, make_folder
from pymc_bnn.approximation import Approximation
from pymc_bnn.mixture import Mixture
from pymc_bnn.plots.images import check_images
from pymc_bnn.prediction import Prediction
from pymc_bnn.refined import Refined
from pymc_bnn.result import Result

__all__ = ["compare", "make_folder", "write_report"]

_SCALES = r"sigma$"
_COMPARED = (
    "accuracy", "accuracy_single_draw", "nll", "brier", "ece", "ece_floor", "elbo_per_example",
    "objective_per_example", "kl_weight",
)  # fmt: skip


def write_report(
    folder: str | os.PathLike[str],
    fitted: Approximation | Refined,
    prediction: Prediction,
    y: Any,
    *,
    images: Any = None,
    seconds: float,
    elbo_draws: int = 10,
    data: Iterable[Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write everything about a fitted classifier of images or rows into a folder.

    Of a mixture of fits `variables.csv` has the rows of each member, and `scale_ratio` their
    medians; of draws by NUTS there are no ELBO, steps and elbo.png, and `kl_weight` is 1.

    Parameters
    ----------
    folder : path
        Where to write; made if it is not there.
    fitted : Approximation, Mixture or Refined
        The fit.
    prediction : Prediction
        Its predictions for test data.
    y : array_like
        (n,) integer labels of the test data.
    images : array_like, optional
        (n, height, width[, 1]) test images, for a picture of the most uncertain ones.
    seconds : float
        How long the fit took, compilation included.
    elbo_draws : int, optional
        Visits of all training data for the final ELBO, at least 2.
    data : iterable, optional
        Of a fit whose batches came from outside: these, for that ELBO.
    extra : mapping, optional
        More entries for the report, first in the file.

    Returns
    -------
    dict
        What report.json holds: accuracy, accuracy_of_votes (most frequent sampled label),
        accuracy_single_draw (mean over the draws of the accuracy of one), nll (test, nats per
        example), brier, ece, ece_floor and aurc of ``uncertainty.evaluate``, intervals (their and
        the accuracy's and nll's 95 % intervals), elbo, elbo_se, elbo_per_example (of a fit with
        points: objective, … and log_prior), train_nll, kl, kl_weight, scale_ratio and estimator by
        variable, seconds, steps, steps_per_second, AUROCs for finding the errors, and means of
        chi-square and entropy for errors and for correct predictions.

    Raises
    ------
    ValueError, TypeError
        If the folder cannot be written to, the prediction is not that of one categorical variable,
        or labels, images or a number are not as described.

    Notes
    -----
    Files: report.json, predictions.csv, variables.csv (``fitted.summary()``), posterior.nc and
    scales.png (only where the prior is hierarchical), elbo.png, confusion.png, chi_square.png,
    entropy.png, uncertain.png; kl_path.csv where ``kl_weight="auto"`` chose a weight.

    Examples
    --------
    >>> import pymc as pm, pymc_bnn as bnn, tempfile
    >>> x, y = np.arange(60.0) / 30 - 1, np.arange(60) // 20
    >>> with pm.Model() as model:
    ...     w, b = pm.Normal("w", 0, 3, shape=3), pm.Normal("b", shape=3)
    ...     logits = pm.Data("x", x)[:, None] * w + b
    ...     _ = pm.Categorical("y", logit_p=logits, observed=y)
    >>> fitted = bnn.fit(model, steps=500, random_seed=1, progressbar=False)
    >>> pred = fitted.predict(draws=50, random_seed=1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = write_report(folder, fitted, pred, y, seconds=1.0)
    ...     sorted(file.name for file in Path(folder).iterdir())[:3]
    ['chi_square.png', 'confusion.png', 'elbo.png']
    """
    check_positive("seconds", seconds)
    elbo_draws = check_int("elbo_draws", elbo_draws, 2, None, "pass elbo_draws=10")
    if not hasattr(prediction, "class_votes"):
        rule, got = "be a prediction of one categorical variable", f"a {type(prediction).__name__}"
        raise invalid("prediction", rule, got, "pass fitted.predict(…)", TypeError)
    if images is not None:
        images = check_images(images, len(prediction.mean_probs), "prediction")
    folder = make_folder(folder)
    frame = uncertainty.summary(prediction, y)
    frame.to_csv(folder / "predictions.csv")
    detection = uncertainty.error_detection(frame)
    scores = uncertainty.evaluate(prediction, y, repeats=500)
    labels = frame["label"].to_numpy()
    agreed = prediction.class_votes[np.arange(len(labels)), labels]  # draws that are right
    summary = fitted.summary()
    summary.to_csv(folder / "variables.csv")
    if (path := getattr(fitted, "kl_path", None)) is not None:
        path.to_csv(folder / "kl_path.csv")
    report = {
        **(extra or {}),
        "accuracy": float(frame["correct"].mean()),
        "accuracy_of_votes": float((frame["voted"] == frame["label"]).mean()),
        "accuracy_single_draw": float(agreed.mean() / prediction.draws),
        **scores["value"].drop("accuracy").to_dict(),
        "intervals": {name: [row.low, row.high] for name, row in scores.iterrows()},
        **_of_training(fitted, summary, elbo_draws, data, seconds),
        "kl_weight": fitted.kl_weight,
        "scale_ratio": summary.groupby("variable", sort=False)["scale_ratio"].median().to_dict(),
        "seconds": seconds,
        **detection.drop("accuracy").to_dict(),
    }
    report = {k: _plain(v) for k, v in report.items()}
    (folder / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    _write_scales(folder, fitted)
    _draw(folder, fitted, prediction, frame, images)
    return report


def compare(folder: str | os.PathLike[str]) -> pd.DataFrame:
    """Put the reports in a folder's subfolders into one table: accuracy and what it cost.

    Parameters
    ----------
    folder : path
        The folder; each subfolder with a report.json of :func:`write_report` is a row, the oldest
        first; those of other programs are left out. The table is written to comparison.csv in it.

    Returns
    -------
    pandas.DataFrame
        Index: names of the subfolders. Columns: accuracy, accuracy_single_draw, nll, brier, ece,
        ece_floor, elbo_per_example (objective_per_example of fits with points), kl_weight,
        scale_ratios (the median posterior/prior scale of each weight tensor, "–" for points) and
        minutes.

    Raises
    ------
    ValueError
        If no subfolder has a report.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     report = {"accuracy": 0.9, "kl_weight": 1, "scale_ratio": {"a_W": 0.5}, "seconds": 30}
    ...     (make_folder(Path(folder) / "honest") / "report.json").write_text(json.dumps(report))
    ...     print(compare(folder))
    77
            accuracy  kl_weight scale_ratios  minutes
    honest       0.9          1         0.50      0.5
    """
    files = sorted(Path(folder).glob("*/report.json"), key=lambda file: file.stat().st_mtime)
    reports = {file.parent.name: json.loads(file.read_text()) for file in files}
    rows = {}
    for name, report in reports.items():
        if not {"scale_ratio", "seconds"} <= report.keys():
            continue  # something else's
        ratios = [r for tensor, r in report["scale_ratio"].items() if tensor.endswith("_W")]
        rows[name] = {
            **{column: report[column] for column in _COMPARED if column in report},
            "scale_ratios": "/".join("–" if r is None else f"{r:.2f}" for r in ratios),
            "minutes": report["seconds"] / 60,
        }
    if not rows:
        rule, repair = "have subfolders with a report.json", "call write_report first"
        raise invalid("folder", rule, f"'{folder}' with none", repair)
    table = pd.DataFrame.from_dict(rows, orient="index")
    columns = [column for column in (*_COMPARED, "scale_ratios", "minutes") if column in table]
    table[columns].to_csv(Path(folder) / "comparison.csv", index_label="fit")
    return table[columns]


def _of_training(
    fitted: Approximation | Refined,
    summary: pd.DataFrame,
    draws: int,
    data: Iterable[Any] | None,
    seconds: float,
) -> dict[str, Any]:
    """Return what only a fit has, and draws by NUTS have not."""
    if isinstance(fitted, Refined):
        return {}
    elbo, n = fitted.elbo(draws, data=data, batch_size=1000), fitted.n_examples
    total, steps = "elbo" if "elbo" in elbo else "objective", len(fitted.history)
    return {
        total: elbo[total],
        f"{total}_se": elbo[f"{total}_se"],
        f"{total}_per_example": elbo[total] / n,
        "train_nll": elbo["nll"] / n,
        "kl": elbo["kl"],
        **({"log_prior": elbo["log_prior"]} if fitted.points else {}),
        "estimator": summary.groupby("variable", sort=False)["estimator"].first().to_dict(),
        "steps": steps,
        "steps_per_second": steps / seconds,
    }


def _write_scales(folder: Path, fitted: Result) -> None:
    names = pd.Series([f.name for f in fitted.problem.terms.free])
    if not names.str.contains(_SCALES).any():
        return
    posterior = fitted.sample(1000, _SCALES, "regex", random_seed=0)
    posterior.to_netcdf(folder / "posterior.nc", engine="h5netcdf")
    plots.save(plots.scale_posteriors(posterior), folder / "scales.png")


def _draw(
    folder: Path,
    fitted: Result,
    prediction: Prediction,
    frame: pd.DataFrame,
    images: Any,
) -> None:
    n_classes = prediction.mean_probs.shape[1]
    options = {"n_examples": fitted.n_examples, "n_classes": n_classes}
    if isinstance(fitted, Mixture):
        plots.save(plots.elbo_curves(fitted, **options), folder / "elbo.png")
    elif isinstance(fitted, Approximation):
        plots.save(plots.elbo_curve(fitted, **options, parts=True), folder / "elbo.png")
    ax = plots.confusion_matrix(frame["label"], frame["predicted"], n_classes)
    plots.save(ax, folder / "confusion.png")
    for column, name in (("chi_square", "chi_square.png"), ("entropy_bits", "entropy.png")):
        plots.save(plots.density_by_correctness(frame, column), folder / name)
    if images is not None:
        votes = prediction.label_votes
        axes = plots.uncertain_examples(images, votes, frame["label"].to_numpy())
        plots.save(axes, folder / "uncertain.png")


def _plain(value: Any) -> Any:
    """Turn NumPy numbers into Python's, and what is not finite into None, for JSON."""
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
