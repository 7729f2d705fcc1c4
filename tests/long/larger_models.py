"""Networks within larger models beside NUTS: python tests/long/larger_models.py prints a table.

For each model of tests/support/larger_models.py: parameters that have a meaning of their own, and
predictions of new rows, by NUTS (NumPyro, two chains), by a fit in batches and by one of all rows.
Fails where the ELBOs of the two fits differ by more than --elbo nats per row, a mean by more than
--mean of NUTS's standard deviations, or a standard deviation by more than a factor of --spread.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from pymc_bnn.graphs.interpreted import INTERPRETED
from tests.support.larger_models import MODELS, Larger

QUIET = {"random_seed": 1, "progressbar": False}
GUIDES = {"mean-field": bnn.guides.MeanField(), "full-rank": bnn.guides.FullRank()}
OF_ROWS = {"true": bnn.guides.MeanField()}  # what batches take by rows


def moments(case: Larger, posterior, predicted) -> pd.DataFrame:
    """Return mean and sd of each number: a row for each, numbered within its variable."""
    numbers = {name: posterior[name].values for name in case.meant}  # (chains, draws, …)
    numbers = {k: v.reshape(v.shape[0] * v.shape[1], -1) for k, v in numbers.items()}
    rows = [
        {"variable": name, "number": i, "mean": own.mean(), "sd": own.std()}
        for name, draws in numbers.items()
        for i, own in enumerate(draws.T)
        if own.std() > 1e-9  # not the ones on the diagonal of a correlation matrix
    ]
    if predicted is not None:
        means, sds = (np.ravel(part) for part in predicted)
        rows += [
            {"variable": "new rows", "number": i, "mean": m, "sd": s}
            for i, (m, s) in enumerate(zip(means, sds, strict=True))
        ]
    return pd.DataFrame(rows).set_index(["variable", "number"])


def by_nuts(case: Larger, draws: int) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return what PyMC finds, and how it went."""
    began = time.perf_counter()
    with case.model as model:
        idata = pm.sample(
            draws, tune=draws, chains=2, nuts_sampler="numpyro", target_accept=0.9, **QUIET,
            nuts={"chain_method": "sequential"}, compute_convergence_checks=False,
        )  # fmt: skip
        seconds, predicted = time.perf_counter() - began, None
        if case.new:
            before = {name: model[name].get_value() for name in case.new}
            pm.set_data(case.new)
            new = pm.sample_posterior_predictive(
                idata, var_names=["y"], predictions=True, compile_kwargs={"mode": INTERPRETED},
                **QUIET,
            )  # fmt: skip
            both = ("chain", "draw")
            predicted = (
                new.predictions["y"].mean(both).values,
                new.predictions["y"].std(both).values,
            )
            pm.set_data(before)
    rhats = az.rhat(idata.posterior.dataset[list(case.meant)]).data_vars.values()
    rhat = max(float(own.max()) for own in rhats)
    divergences = int(idata.sample_stats["diverging"].sum())
    how = {"seconds": seconds, "rhat": rhat, "divergences": divergences}
    return moments(case, idata.posterior.dataset, predicted), how


def by_fit(case: Larger, batch_size: int | None, guide) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return what a fit finds, and its ELBO."""
    began = time.perf_counter()
    if "true" in case.model.named_vars:
        guide = {**OF_ROWS, "*": guide}
    fitted = bnn.fit(case.model, batch_size=batch_size, guide=guide, **QUIET)
    how = {"seconds": time.perf_counter() - began, "steps": int(fitted.state.step)}
    how |= fitted.elbo(500, random_seed=2)[["elbo", "elbo_se"]]
    predicted = None
    if case.new:
        found = fitted.predict(case.new, draws=2000, random_seed=3)["y"]
        if not hasattr(found, "mean_probs"):
            predicted = found.mean, found.std
        else:
            labels = np.arange(found.mean_probs.shape[-1])
            mean = found.mean_probs @ labels
            predicted = mean, np.sqrt(found.mean_probs @ labels**2 - mean**2)
    return moments(case, fitted.sample(2000, random_seed=4).posterior.dataset, predicted), how


def compare(name: str, args: argparse.Namespace) -> list[dict]:
    """Print what all find, and return a row for each variable."""
    case = MODELS[name](args.rows)
    truth, went = by_nuts(case, args.draws)
    print(f"\n{name}: NUTS {went['seconds']:.0f} s, largest R-hat {went['rhat']:.3f},", end=" ")
    print(f"{went['divergences']} divergences in {2 * args.draws} draws", flush=True)
    rows, elbos = [], []
    for label, size in {"batches": args.batch_size, "whole": None}.items():
        found, how = by_fit(case, size, GUIDES[args.guide])
        elbos.append(how["elbo"])
        print(f"  {label}: ELBO {how['elbo']:.1f} ± {how['elbo_se']:.1f},", end=" ")
        print(f"{how['steps']:,} steps, {how['seconds']:.0f} s", flush=True)
        gap = (found["mean"] - truth["mean"]).abs() / truth["sd"]
        ratio = found["sd"] / truth["sd"]
        for variable in truth.index.unique("variable"):
            own, at = ratio.loc[variable], truth.loc[variable].index[0]
            one = len(own) == 1
            both = [
                (t.loc[variable, "mean"][at], t.loc[variable, "sd"][at]) for t in (truth, found)
            ]
            rows.append(
                {
                    "model": name, "fit": label, "of": variable, "numbers": len(own),
                    "NUTS": "{:.2f} ± {:.2f}".format(*both[0]) if one else "",
                    "found": "{:.2f} ± {:.2f}".format(*both[1]) if one else "",
                    "gap": gap.loc[variable].max(), "low": own.min(), "high": own.max(),
                }
            )  # fmt: skip
    print(pd.DataFrame(rows).round(2).to_string(index=False), flush=True)
    rows[0]["elbos"] = abs(elbos[0] - elbos[1]) / args.rows
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=50)
    parser.add_argument("--draws", type=int, default=1000, help="of each chain, after as many")
    parser.add_argument("--guide", choices=list(GUIDES), default="full-rank")
    parser.add_argument("--elbo", type=float, default=0.05)
    parser.add_argument("--mean", type=float, default=1.0)
    parser.add_argument("--spread", type=float, default=2.0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    table = pd.DataFrame([row for name in args.only for row in compare(name, args)])
    print("\ngap: the largest |difference| of means, in NUTS's standard deviations; low, high: the")
    print("smallest and largest ratio of standard deviations; elbos: their difference per row")
    print(table.round(2).to_string(index=False, na_rep=""))
    far = table["gap"] > args.mean
    far |= (table["low"] < 1 / args.spread) | (table["high"] > args.spread)
    far |= table["elbos"] > args.elbo
    print(f"{far.sum()} of {len(table)} are outside of the tolerance")
    return int(far.any())


if __name__ == "__main__":
    sys.exit(main())
