"""What ``kl_weight="auto"`` chooses, and whether it predicts better than weight 1.

    python tests/long/kl_weight.py [--seeds 1] [--weights 1 auto] [--models NAME …]

Half of digits and breast_cancer, and 150 rows of friedman1, are fitted; a line for each fit has the
NLL of all other rows (friedman1: 2,000 new ones, standardised) and the calibration error, or the
share of targets within 95 % intervals. Some two minutes on two idle cores.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_digits, make_friedman1
from sklearn.model_selection import train_test_split

import pymc_bnn as bnn

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.suite import hierarchical, network_classes, network_regression, standard


def halves(load, share):
    """Return rows to fit and other rows, in units in which the suite leaves the first alone."""
    x, y = load(return_X_y=True)
    x, new_x, y, new_y = train_test_split(x, y, train_size=share, random_state=0, stratify=y)
    scale = np.where(x.std(axis=0) > 0, x.std(axis=0), 1)
    return standard(x), y, (new_x - x.mean(axis=0)) / scale, new_y


def digits(seed):
    x, y, new_x, new_y = halves(load_digits, 0.5)
    model = network_classes(x, y, (40,), bnn.priors.Normal(0, 1), "relu")
    return model, {"x": new_x, "y": new_y}


def breast_cancer(seed):
    x, y, new_x, new_y = halves(load_breast_cancer, 0.5)
    return network_classes(x, y, (50,), hierarchical()), {"x": new_x, "y": new_y}


def friedman1(seed):
    x, y = make_friedman1(150, noise=1, random_state=3 + seed)
    new_x, new_y = make_friedman1(2000, noise=1, random_state=1000 + seed)
    new = {"x": (new_x - x.mean(axis=0)) / x.std(axis=0), "y": (new_y - y.mean()) / y.std()}
    return network_regression(x, y, (50,)), new


MODELS = {f.__name__: f for f in (digits, breast_cancer, friedman1)}


def row(name, weight, seed):
    """Fit, and score new rows."""
    model, new = MODELS[name](seed)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = bnn.fit(model, kl_weight=weight, random_seed=seed, progressbar=False)
    seconds = time.process_time() - started
    pred = fitted.predict(new, 200, random_seed=0)
    found = {"model": name, "asked": weight, "seed": seed, "kl_weight": fitted.kl_weight}
    found["nll"] = -pred.log_density.mean()
    if name == "friedman1":
        found["coverage"] = bnn.uncertainty.interval_coverage(pred["y"].samples, new["y"]).value
    else:
        found["ece"] = bnn.uncertainty.evaluate(pred, new["y"], repeats=2).loc["ece", "value"]
    print({**found, "cpu_seconds": round(seconds, 1)}, flush=True)
    if fitted.kl_path is not None:
        print(fitted.kl_path.round(3).to_string(), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--weights", nargs="*", default=["1", "auto"])
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    arguments = parser.parse_args()
    weights = [w if w == "auto" else float(w) for w in arguments.weights]
    rows = [
        row(name, weight, seed)
        for name in arguments.models
        for seed in range(1, arguments.seeds + 1)
        for weight in weights
    ]
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
