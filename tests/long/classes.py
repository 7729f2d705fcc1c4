"""Tables of classes beside NUTS and logistic regression: held-out NLL of each way to fit a network.

    python tests/long/classes.py [--sets NAME …] [--nets 10 50] [--ways fit members …] [--log FILE]

Needs ``pip install -e '.[test,bench]'``. The sets are those of ``default_prior.py``; judged on the
last quarter of the rows, on which no default was chosen. Prior, length and all else are defaults;
*members* are eight, *auto* is ``kl_weight="auto"``, *refined* 200 + 200 steps of four chains that
start at the members, *nuts* PyMC's own with numpyro, from its own starts. One line of JSON for each
goes to --log, and what is in it is not run again.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from tests.long.default_prior import SETS
from tests.support.log_files import add_row, read_rows

NAMES = ["iris", "wine", "moons", "breast_cancer", "rare_class", "digits"]
WAYS = ["logistic", "fit", "members", "auto", "refined", "nuts"]
QUIET = {"random_seed": 1, "progressbar": False}
DRAWS, TUNE, CHAINS = 500, 500, 2


def build(x, y, hidden):
    """A network of relu units under the default prior."""
    network = bnn.networks.mlp((x.shape[1], *hidden, int(y.max()) + 1))
    with pm.Model() as model:
        out = pm.Deterministic("logits", bnn.bayesian(network, bnn.standardise("x", x)))
        pm.Categorical("y", logit_p=out, observed=y, shape=out.shape[0])
    return model


def density_of_nuts(model, new):
    """Log-densities (rows,) of new labels, averaged over draws by PyMC alone, and divergences."""
    with model:
        drawn = pm.sample(
            DRAWS, tune=TUNE, chains=CHAINS, nuts_sampler="numpyro", random_seed=1,
            progressbar=False, compute_convergence_checks=False,
            nuts_sampler_kwargs={"chain_method": "vectorized"},
        )  # fmt: skip
        pm.set_data({"x": new["x"]})
        found = pm.sample_posterior_predictive(
            drawn, var_names=["logits"], predictions=True, random_seed=1, progressbar=False
        )
    logits = found.predictions["logits"].values
    logits = logits.reshape(-1, *logits.shape[2:])
    log_p = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    own = log_p[:, np.arange(len(new["y"])), new["y"]]
    return np.logaddexp.reduce(own, axis=0) - np.log(len(own)), drawn.sample_stats.diverging.sum()


def ways(name, net, wanted):
    """Yield a row of figures for each way that is wanted."""
    x, y = SETS[name]()
    x, x_new, y, y_new = train_test_split(x, y, random_state=0, stratify=y)
    hidden, new = tuple(int(n) for n in net.split("-")), {"x": x_new, "y": y_new}

    def row(way, log_p, began, **more):
        error = np.std(log_p, ddof=1) / len(log_p) ** 0.5
        seconds = round(time.perf_counter() - began, 1)
        nll = -float(np.mean(log_p))
        own = {"set": name, "net": net, "way": way, "nll": nll, "error": float(error)}
        return {**own, "seconds": seconds, **more}

    def judged(way, fitted, began, **more):
        return row(way, fitted.predict(new, 500, random_seed=1).log_density, began, **more)

    began = time.perf_counter()
    if "logistic" in wanted:
        scale = bnn.Scale.of(x)
        p = LogisticRegression(max_iter=5000).fit(scale.standard(x), y)
        p = p.predict_log_proba(scale.standard(x_new))
        yield row("logistic", p[np.arange(len(y_new)), y_new], began)
    if "fit" in wanted:
        began = time.perf_counter()
        fitted = bnn.fit(build(x, y, hidden), **QUIET)
        yield judged("fit", fitted, began, steps=fitted.record.steps)
    if {"members", "refined"} & set(wanted):
        began = time.perf_counter()
        fitted = bnn.fit(build(x, y, hidden), members=8, **QUIET)
        if "members" in wanted:
            yield judged("members", fitted, began)
        if "refined" in wanted:
            try:
                refined = fitted.refine(chains=4, max_minutes=None, **QUIET)
            except ValueError as error:
                yield {"set": name, "net": net, "way": "refined", "why": str(error)}
            else:
                bad = int(np.sum(refined.record.stats["diverging"]))
                yield judged("refined", refined, began, diverging=bad)
    if "auto" in wanted:
        began = time.perf_counter()
        fitted = bnn.fit(build(x, y, hidden), kl_weight="auto", **QUIET)
        yield judged("auto", fitted, began, kl_weight=float(fitted.kl_weight))
    if "nuts" in wanted:
        began = time.perf_counter()
        log_p, bad = density_of_nuts(build(x, y, hidden), new)
        yield row("nuts", log_p, began, diverging=int(bad))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*", default=NAMES, choices=NAMES)
    parser.add_argument("--nets", nargs="*", default=["10", "50"])
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--log", type=Path, default=Path("classes.jsonl"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = read_rows(args.log)
    done = {(r["set"], r["net"], r["way"]) for r in rows}
    for name in args.sets:
        for net in args.nets:
            wanted = [way for way in args.ways if (name, net, way) not in done]
            for row in ways(name, net, wanted):
                rows.append(row)
                add_row(args.log, row)
                print(row, flush=True)
    frame = pd.DataFrame(rows).pivot_table(index=["set", "net"], columns="way", values="nll")
    print(frame.reindex(columns=WAYS).round(3).to_string())


if __name__ == "__main__":
    main()
