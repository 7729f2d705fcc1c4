"""What simulation-based calibration finds, and how often it is wrong.

``python tests/long/simulation_based.py [share] [case …]`` prints a table: models whose posteriors
are exact, too narrow, biased or not fitted yet, and shares of batches of simulations with each
verdict. Simulations of one call are independent, so that a long run is cut into batches. `share` of
all simulations (1 by default) takes some six minutes of a CPU.
"""

import sys
import time
import warnings

import numpy as np
import pandas as pd
import pymc as pm
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn.simulation_based import SimulationBasedCalibration

SIZES = (20, 50, 100, 200)  # simulations of a batch


def exact() -> pm.Model:
    """Return a model of three means, whose posterior is independent Normals."""
    with pm.Model() as model:
        mu = pm.Normal("mu", 1, 1, shape=3)
        pm.Normal("y", mu, 1, observed=np.zeros((4, 3)))
    return model


def slopes(correlation: float) -> pm.Model:
    """Return a regression on two columns of a correlation, which the posterior's has, too."""
    x = np.random.default_rng(0).normal(size=(30, 2))
    x = (x - x.mean(axis=0)) @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T, ddof=0))).T
    x = x @ np.linalg.cholesky([[1, correlation], [correlation, 1]]).T
    with pm.Model() as model:
        b = pm.Normal("b", shape=2)
        pm.Normal("y", x @ b, 0.5, observed=np.zeros(30))
    return model


def schools() -> pm.Model:
    """Return eight schools, centred: Yao et al. 2018, section 4.2, with a proper prior."""
    sigma = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 5)
        tau = pm.HalfCauchy("tau", 5)
        theta = pm.Normal("theta", mu, tau, shape=8)
        pm.Normal("y", theta, sigma, observed=np.zeros(8))
    return model


CASES = {  # model, steps, simulations
    "exact": (exact(), 2000, 3000),
    "exact, 500 steps": (exact(), 500, 1000),
    "correlation 0.5": (slopes(0.5), 3000, 1000),
    "correlation 0.9": (slopes(0.9), 3000, 1000),
    "eight schools": (schools(), 3000, 1000),
}


def verdicts(found: SimulationBasedCalibration, size: int) -> dict[str, object]:
    """Return shares of batches in which the worst verdict is none but good, and is bad."""
    count = found.ranks.sizes["simulation"] // size
    tables = [
        SimulationBasedCalibration(
            found.ranks.isel(simulation=slice(i * size, (i + 1) * size)), found.draws, seed=i
        ).table
        for i in range(count)
    ]
    return {
        "batches": count,
        "not good": np.mean([(t["verdict"] != "good").any() for t in tables]),
        "bad": np.mean([(t["verdict"] == "bad").any() for t in tables]),
        "asymmetric": np.mean([(t["symmetric_p"] <= 0.05).any() for t in tables]),
    }


def two_samples(size: int, times: int = 4000) -> float:
    """Return how often the two-sample test of p against 1 − p errs at its level of 5 %."""
    p = np.random.default_rng(0).uniform(size=(times, size))
    return float(np.mean([stats.ks_2samp(u, 1 - u).pvalue <= 0.05 for u in p]))


def main(share: float, cases: list[str]) -> None:
    """Print all tables."""
    pd.set_option("display.width", 200, "display.max_columns", 20, "display.max_colwidth", 130)
    rows = {}
    for name in cases or CASES:
        model, steps, simulations = CASES[name]
        began = time.process_time()
        with warnings.catch_warnings(record=True, action="always") as caught:
            found = bnn.simulation_based_calibration(
                model,
                simulations=max(int(share * simulations), 200),
                steps=steps,
                random_seed=1,
                progressbar=False,
            )
        print(f"\n{name}: {found}, {time.process_time() - began:.0f} CPU seconds")
        for warning in caught:
            print("  ", warning.message)
        print(found.table.drop(columns=["size"]).to_string(), flush=True)
        rows |= {(name, size): verdicts(found, size) for size in SIZES}
    print("\n", pd.DataFrame.from_dict(rows, orient="index").round(3).to_string())
    naive = {size: round(two_samples(size), 3) for size in SIZES}
    print("\ntwo-sample test of p against 1 - p, false alarms at 5 %:", naive)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0, sys.argv[2:])
