"""The scikit-learn models beside scikit-learn's own, no setting of ours touched.

    python tests/long/estimators_beside_others.py [--data diabetes iris …] [--splits 3]

Three quarters of the rows are fitted, the others scored: RMSE and NLL in units of the target's
deviation, coverage of 90 % intervals, accuracy and NLL of classes, seconds of a fit, as means over
splits. All get standardised columns and targets. Models without a predictive deviation get that of
their errors in five folds of the training part. Data in .npz files (x and y) go by their path.
"""

import argparse
import sys
import time
import warnings

import numpy as np
import pandas as pd
from scipy import stats
from sklearn import datasets
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from pymc_bnn.sklearn import BNNClassifier, BNNRegressor

SETS = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(300, noise=1, random_state=0),
    "iris": lambda: datasets.load_iris(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast_cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda: datasets.load_digits(return_X_y=True),
}


def regressors(seed):
    kernel = RBF() + WhiteKernel()
    return {
        "BNNRegressor": BNNRegressor(random_state=seed),
        "8 members": BNNRegressor(members=8, random_state=seed),
        "BayesianRidge": BayesianRidge(),
        "GaussianProcess": GaussianProcessRegressor(kernel, random_state=seed),
        "MLPRegressor": MLPRegressor(max_iter=1000, random_state=seed),
        "RandomForest": RandomForestRegressor(random_state=seed),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=seed),
    }


def classifiers(seed):
    return {
        "BNNClassifier": BNNClassifier(random_state=seed),
        "LogisticRegression": LogisticRegression(max_iter=1000),
        "GaussianProcess": GaussianProcessClassifier(random_state=seed),
        "MLPClassifier": MLPClassifier(max_iter=1000, random_state=seed),
        "RandomForest": RandomForestClassifier(random_state=seed),
        "HistGradientBoosting": HistGradientBoostingClassifier(random_state=seed),
    }


def scores_of_values(model, x, y, new_x, new_y):
    """Return seconds, RMSE, NLL and coverage; each model has its own predictive distribution."""
    began = time.perf_counter()
    fitted = clone(model).fit(x, y)
    seconds = time.perf_counter() - began
    try:
        mean, std = fitted.predict(new_x, return_std=True)
    except TypeError:
        mean, std = fitted.predict(new_x), np.std(y - cross_val_predict(model, x, y))
    law = stats.norm(mean, std)
    nll, (low, high) = -law.logpdf(new_y), law.interval(0.9)
    if isinstance(model, BNNRegressor):
        nll = -fitted._each(fitted._draws, fitted._inputs(new_x), fitted._known_target(new_y))
        nll, (low, high) = nll + np.log(fitted.scale_.std), fitted.predict_interval(new_x).T
    rmse, inside = np.sqrt(np.mean((mean - new_y) ** 2)), np.mean((low < new_y) & (new_y < high))
    return {"rmse": rmse, "nll": nll.mean(), "coverage": inside, "seconds": seconds}


def scores_of_classes(model, x, y, new_x, new_y):
    """Return seconds, accuracy and NLL."""
    began = time.perf_counter()
    fitted = clone(model).fit(x, y)
    seconds = time.perf_counter() - began
    p = fitted.predict_proba(new_x)
    return {"accuracy": fitted.score(new_x, new_y), "nll": log_loss(new_y, p), "seconds": seconds}


def compare(name, splits):
    """Return a row for each model."""
    if name in SETS:
        x, y = SETS[name]()
    else:
        with np.load(name) as data:
            x, y = data["x"], data["y"]
    classes = y.dtype.kind in "iu"
    rows = {}
    for seed in range(splits):
        options = {"random_state": seed, "test_size": 0.25, "stratify": y if classes else None}
        train_x, new_x, train_y, new_y = train_test_split(x, y, **options)
        mean, std = train_x.mean(axis=0), train_x.std(axis=0)
        train_x, new_x = ((part - mean) / np.where(std > 0, std, 1) for part in (train_x, new_x))
        if not classes:
            mean, std = train_y.mean(), train_y.std()
            train_y, new_y = (train_y - mean) / std, (new_y - mean) / std
        models = classifiers(seed) if classes else regressors(seed)
        score = scores_of_classes if classes else scores_of_values
        for label, model in models.items():
            rows.setdefault(label, []).append(score(model, train_x, train_y, new_x, new_y))
    return pd.DataFrame({label: pd.DataFrame(found).mean() for label, found in rows.items()}).T


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=list(SETS))
    parser.add_argument("--splits", type=int, default=3)
    args = parser.parse_args()
    for name in args.data:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            print(f"{name}\n{compare(name, args.splits).round(3).to_string()}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
