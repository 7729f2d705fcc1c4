"""Whether guides that contain mean-field ones end no lower than these, on the suite's models.

    python tests/long/guides_contain.py [--seed 0] [--largest 700] [--log FILE] [--models NAME …]

Fits MeanField, LowRank and FullRank by the default recipe and prints their ELBOs with standard
errors (400 visits of all data), and a verdict: "good" where a guide's is not below MeanField's by
more than two standard errors of the difference. Models with more numbers than `largest` have no
FullRank. One line of JSON for each fit goes to FILE; fits that are in it are not made again.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import pymc_bnn as bnn

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.log_files import add_row, read_rows
from tests.support.suite import MODELS

GUIDES = {
    "MeanField": bnn.guides.MeanField(),
    "LowRank": bnn.guides.LowRank(),
    "FullRank": bnn.guides.FullRank(),
}


def fitted_row(name, guide, seed):
    """Fit, and evaluate the ELBO by 400 visits of all data."""
    model, started, cpu = MODELS[name](), time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = bnn.fit(model, guide=GUIDES[guide], random_seed=seed, progressbar=False)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    elbo = fit.elbo(400, random_seed=0)
    return {
        "model": name, "guide": guide, "seed": seed, "elbo": elbo["elbo"], "se": elbo["elbo_se"],
        "numbers": fit.n_parameters, "steps": fit.record.steps, "converged": fit.converged,
        "gain": None if fit.record.gain is None else fit.record.gain.nats,
        "fell back": fit.record.gain is not None and fit.record.gain.lost,
        "seconds": round(seconds, 1), "cpu": round(cpu, 1),
        "said": [str(w.message) for w in caught if w.category is UserWarning],
    }  # fmt: skip


def table(rows):
    """ELBO ± standard error of each guide, and the verdict: a row per model."""
    lines = {}
    for row in rows:
        line = lines.setdefault(row["model"], {"numbers": row["numbers"], "verdict": "good"})
        line[row["guide"]] = f"{row['elbo']:,.1f} ± {row['se']:.1f}"
        line[f"steps, {row['guide']}"] = row["steps"]
    by_fit = {(row["model"], row["guide"]): row for row in rows}
    for (name, guide), row in by_fit.items():
        inner = by_fit[name, "MeanField"]
        behind = inner["elbo"] - row["elbo"]
        if behind > 2 * np.hypot(inner["se"], row["se"]):
            lines[name]["verdict"] = f"{guide} is {behind:.1f} behind"
    return pd.DataFrame(lines).T


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--largest", type=int, default=700)
    parser.add_argument("--log", type=Path, default=Path("guides_contain.jsonl"))
    parser.add_argument("--models", nargs="*", default=list(MODELS))
    arguments = parser.parse_args()
    rows = [row for row in read_rows(arguments.log) if row["seed"] == arguments.seed]
    done = {(row["model"], row["guide"]): row for row in rows}
    for name in arguments.models:
        for guide in GUIDES:
            large = (name, "MeanField") in done and (
                done[name, "MeanField"]["numbers"] > arguments.largest
            )
            if (name, guide) in done or (guide == "FullRank" and large):
                continue
            row = done[name, guide] = fitted_row(name, guide, arguments.seed)
            rows.append(row)
            add_row(arguments.log, row)
            print(row, flush=True)
    print(table(rows).to_string())


if __name__ == "__main__":
    main()
