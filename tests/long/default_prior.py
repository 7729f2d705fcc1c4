"""Which prior a network should have when none is named: validation NLL and ELBO over sets and nets.

    python tests/long/default_prior.py [--quick] [--sets NAME …] [--nets 10 50-50 …] [--priors …]

Each set's first three quarters by chance are its training part; of these a quarter is held back to
validate, so that the last quarter, on which results are reported, is never looked at. One line of
JSON for each fit goes to --log; fits that are in it are not made again. A table per score follows.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
    make_friedman1,
    make_moons,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from pymc_bnn.priors import HalfCauchy, HalfNormal, Horseshoe, Normal, fan_in_normal
from tests.support.log_files import add_row, read_rows

SETS = {
    "iris": lambda: load_iris(return_X_y=True),
    "wine": lambda: load_wine(return_X_y=True),
    "moons": lambda: make_moons(1000, noise=0.2, random_state=0),
    "breast_cancer": lambda: load_breast_cancer(return_X_y=True),
    "rare_class": lambda: make_classification(4000, 20, weights=[0.95], random_state=0),
    "digits": lambda: load_digits(return_X_y=True),
    "friedman": lambda: make_friedman1(400, noise=1, random_state=1),
    "diabetes": lambda: load_diabetes(return_X_y=True),
}
NETS = ("10", "50", "50-50", "100-100-100")


def layered(first, later):
    """Priors of the first matrix, of the others (by their number of inputs) and of biases."""

    def prior(sizes):
        chosen = {"*_b": Normal(0, 1), "dense1_W": first}
        for k, fan_in in enumerate(sizes[1:-1], start=2):
            chosen[f"dense{k}_W"] = later(fan_in)
        return chosen

    return prior


def always(prior):
    """One prior for all parameters."""
    return lambda sizes: prior


def decaying(decay, first=2.0, middle=2.0, last=2.0):
    """Scales that fall from hidden unit to hidden unit."""

    def prior(sizes):
        chosen = {"*_b": Normal(0, 1), "dense1_W": fan_in_normal(first)}
        for k in range(2, len(sizes)):
            chosen[f"dense{k}_W"] = fan_in_normal(last if k == len(sizes) - 1 else middle, decay)
        return chosen

    return prior


PRIORS = {
    "default": always(None),
    "units_1": decaying(1.5),
    "decay_1": decaying(1.0),
    "decay_2": decaying(2.0),
    "middle_sqrt2": decaying(1.5, middle=2**0.5),
    "gain_1": decaying(1.5, 1.0, 1.0, 1.0),
    "gain_sqrt2": decaying(1.5, 2**0.5, 2**0.5, 2**0.5),
    "last_4": decaying(1.5, last=4.0),
    "fan_1": always(fan_in_normal(1.0)),
    "fan_sqrt2": always(fan_in_normal(2**0.5)),
    "fan_2": always(fan_in_normal(2.0)),
    "fan_4": always(fan_in_normal(4.0)),
    "normal": always(Normal(0, 1)),
    "layer": always(Normal(0, HalfNormal(1.0, per="layer"))),
    "unit_hn": layered(Normal(0, 1), lambda h: Normal(0, HalfNormal(1.0, per="unit"))),
    "unit_hc": layered(Normal(0, 1), lambda h: Normal(0, HalfCauchy(1.0 / h, per="unit"))),
    "unit_hc.1": layered(Normal(0, 1), lambda h: Normal(0, HalfCauchy(0.1 / h, per="unit"))),
    "raw_hc": layered(
        Normal(0, 1), lambda h: Horseshoe(HalfCauchy(1.0 / h, per="unit"), local_scale=1.0)
    ),
    "bias_1": lambda sizes: {"*_b": Normal(0, 1), "*": fan_in_normal(2.0)},
}


def split(x, y):
    """Rows to fit and to validate with, of the training part only."""
    keep = y if y.dtype.kind in "iu" else None
    x, _, y, _ = train_test_split(x, y, random_state=0, stratify=keep)
    keep = y if y.dtype.kind in "iu" else None
    return train_test_split(x, y, random_state=0, stratify=keep)


def build(x, y, hidden, prior, activation):
    """A network for classes, or for a target with a learned noise."""
    classes = int(y.max()) + 1 if y.dtype.kind in "iu" else 0
    sizes = (x.shape[1], *hidden, classes or 1)
    network = bnn.networks.mlp(sizes, activation=activation)
    with pm.Model() as model:
        out = bnn.bayesian(network, bnn.standardise("x", x), PRIORS[prior](sizes))
        if classes:
            pm.Categorical("y", logit_p=out, observed=y, shape=out.shape[0])
        else:
            unit, noise = bnn.Scale.of(y), pm.HalfNormal("noise", 1.0)
            pm.Normal("y", unit.mu(out[:, 0]), unit.sigma(noise), observed=y, shape=out.shape[0])
    return model


def references(x, y, x_new, y_new):
    """Validation NLL of logistic regression (RMSE of the mean, for a target), and of no inputs."""
    if y.dtype.kind not in "iu":
        sd = y.std()
        base = np.mean(0.5 * np.log(2 * np.pi * sd**2) + (y_new - y.mean()) ** 2 / (2 * sd**2))
        return {"logistic": np.nan, "base": base}
    scale = bnn.Scale.of(x)
    p = LogisticRegression(max_iter=5000).fit(scale.standard(x), y)
    p = p.predict_proba(scale.standard(x_new))
    rate = np.bincount(y) / len(y)
    return {
        "logistic": -np.log(p[np.arange(len(y_new)), y_new]).mean(),
        "base": -np.log(rate[y_new]).mean(),
    }


def rows_of(name, net, prior, seeds, activation="relu"):
    """Fit and judge: the seeds are members of one fit, each of another start and other batches."""
    x, x_new, y, y_new = split(*SETS[name]())
    hidden = tuple(int(units) for units in net.split("-"))
    model, started = build(x, y, hidden, prior, activation), time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bnn.fit(model, members=len(seeds), random_seed=seeds[0], progressbar=False)
    seconds = (time.perf_counter() - started) / len(seeds)
    known = {"set": name, "net": net, "prior": prior, "activation": activation}
    known |= {"seconds": round(seconds, 1), **references(x, y, x_new, y_new)}
    found = []
    for seed, member in zip(seeds, fit.members if len(seeds) > 1 else [fit], strict=True):
        elbo = member.elbo(50, random_seed=0)
        log_p = member.predict({"x": x_new, "y": y_new}, 300, random_seed=1).log_density
        found.append(known | {
            "seed": seed, "nll": float(-np.mean(log_p)),
            "elbo": elbo["elbo"], "data": -elbo["nll"], "kl": elbo["kl"],
            "steps": member.record.steps, "converged": member.converged,
        })  # fmt: skip
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="iris, two nets, the old and the new")
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--nets", nargs="*", default=NETS)
    parser.add_argument("--priors", nargs="*", default=list(PRIORS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--activation", default="relu")
    parser.add_argument("--log", type=Path, default=Path("default_prior.jsonl"))
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.sets, arguments.nets = ["iris"], ["10", "100-100-100"]
        arguments.priors = ["fan_1", "default"]
    rows = read_rows(arguments.log)
    keys = ("set", "net", "prior", "activation", "seed")
    done = {tuple(r[k] for k in keys) for r in rows}
    for name in arguments.sets:
        for net in arguments.nets:
            for prior in arguments.priors:
                cell = (name, net, prior, arguments.activation)
                seeds = [n for n in range(arguments.seeds) if (*cell, n) not in done]
                new = rows_of(*cell[:3], seeds, arguments.activation) if seeds else []
                for each in new:
                    add_row(arguments.log, each)
                    print({k: round(v, 3) if isinstance(v, float) else v for k, v in each.items()})
                rows += new
    frame = pd.DataFrame(rows)
    for score in ("nll", "elbo"):
        table = frame.pivot_table(index=["set", "net"], columns="prior", values=score)
        print(score, table.round(3).to_string(), sep="\n")


if __name__ == "__main__":
    main()
