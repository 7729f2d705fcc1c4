"""How near the default recipe comes to the best of eight, by the ELBO, on the suite's models.

    python tests/long/recipes.py --seeds 3 [--part 1/2] [--log FILE] [--models NAME …]

One line of JSON for each fit goes to FILE, from which the table is printed; fits that are in it
are not made again. Without NAMEs all twenty models are fitted, about an hour on two cores.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import optax
import pandas as pd

import pymc_bnn as bnn

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.log_files import add_row, read_rows
from tests.support.suite import MODELS

STEPS = 15_000


def annealed(step):
    """Weight of the KL: from 0.01 to 1 over the first half of the steps."""
    return optax.exponential_decay(0.01, STEPS // 2, 100.0, end_value=1.0)(step)


RECIPES = {
    "default": {},
    "plain": {"steps": STEPS},
    "warm": {"steps": STEPS, "kl_warmup": 3000},
    "annealed": {"steps": STEPS, "kl_weight": annealed},
    "fast": {"steps": STEPS, "learning_rate": 0.03, "scale_learning_rate": 0.1},
    "slow": {"steps": 2 * STEPS, "learning_rate": 0.003, "scale_learning_rate": 0.01},
    "whole": {"steps": STEPS, "kl_warmup": 3000, "batch_size": None},
    "long": {"steps": 4 * STEPS, "kl_warmup": 3000},
}


def fitted_row(model, name, recipe, seed):
    """Fit, and evaluate the ELBO by 100 visits of all data."""
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = bnn.fit(model, random_seed=seed, progressbar=False, **RECIPES[recipe])
        seconds = time.perf_counter() - started
        elbo = fit.elbo(100, random_seed=0)
    return {
        "model": name, "recipe": recipe, "seed": seed, "elbo": elbo["elbo"], "se": elbo["elbo_se"],
        "nll": elbo["nll"], "n": fit.n_examples, "steps": fit.record.steps,
        "converged": fit.converged, "seconds": round(seconds, 2),
    }  # fmt: skip


def table(rows):
    """Median ELBO over seeds, and where the default stands beside the best of the recipes."""
    frame = pd.DataFrame(rows)
    medians = frame.pivot_table(index="model", columns="recipe", values="elbo", aggfunc="median")
    medians = medians.reindex(index=frame["model"].unique(), columns=list(RECIPES))
    n = frame.groupby("model")["n"].first()
    best = medians.max(axis=1)
    own = frame[frame["recipe"] == "default"].groupby("model")["elbo"]
    return medians.round(1).assign(
        behind=(best - medians["default"]).round(1),
        allowed=np.maximum(1.0, 0.01 * n.reindex(medians.index)).round(1),
        spread=(own.max() - own.min()).round(1),
        to_single_best=(frame.groupby("model")["elbo"].max() - medians["default"]).round(1),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--part", default="1/1", help="i/k: every k-th model from the i-th on")
    parser.add_argument("--log", type=Path, default=Path("recipes.jsonl"))
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    arguments = parser.parse_args()
    part, parts = (int(number) for number in arguments.part.split("/"))
    rows = read_rows(arguments.log)
    done = {(row["model"], row["recipe"], row["seed"]) for row in rows}
    for name in arguments.models[part - 1 :: parts]:
        model = MODELS[name]()
        for recipe in RECIPES:
            for seed in range(arguments.seeds):
                if (name, recipe, seed) in done:
                    continue
                rows.append(fitted_row(model, name, recipe, seed))
                add_row(arguments.log, rows[-1])
                print(rows[-1], flush=True)
    print(table(rows).to_string())


if __name__ == "__main__":
    main()
