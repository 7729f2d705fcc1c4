"""How far a network's posterior is from its approximations: three guides beside NUTS.

    python examples/guides.py --out results/guides

A network 1-10-1 (31 weights, tanh, and a noise scale to be learned) sees 80 points of a noisy sine
that leave a gap in the middle. It is small enough for NUTS, PyMC's sampler, whose draws serve as
the posterior itself. Beside them:

- mean-field: independent Normal distributions;
- low-rank: a Normal one that follows the five strongest correlations;
- full-rank: a Normal one with a full covariance matrix.

Weights may change places without a change of the function (10! · 2¹⁰ ways), and a guide stays at
one of them, so weights are not compared, but predictions are: of new observations y at x inside
the data, in the gap, and outside of everything. A better ELBO need not mean wider intervals there:
what a Normal guide at one of many modes leaves out, no covariance matrix brings back.
"""

import argparse
import json
import time

import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn import guides, plots
from pymc_bnn.report import make_folder

GUIDES = {
    "mean-field": guides.MeanField(),
    "low-rank": guides.LowRank(5),
    "full-rank": guides.FullRank(),
}
GRID = np.linspace(-3, 3, 121)
INSIDE = (np.abs(GRID) > 0.7) & (np.abs(GRID) <= 2)
REGIONS = {"inside": INSIDE, "gap": np.abs(GRID) <= 0.7, "outside": np.abs(GRID) > 2}


def main() -> None:
    """Sample, fit under every guide, compare predictions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/guides", help="folder for the results")
    parser.add_argument("--steps", type=int, default=20_000, help="of each fit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    args = parser.parse_args()
    out = make_folder(args.out)
    steps, chains, tune, draws = (300, 2, 30, 30) if args.quick else (args.steps, 4, 500, 1000)

    rng = np.random.default_rng(args.seed)
    x = np.concatenate([rng.uniform(-2, -0.7, 40), rng.uniform(0.7, 2, 40)])
    y = np.sin(2.5 * x) + 0.2 * rng.normal(size=80)

    with pm.Model() as model:
        inputs = pm.Data("x", x[:, None])
        f = bnn.bayesian(bnn.networks.mlp((1, 10, 1)), inputs, bnn.priors.Normal(0, 1.0))[:, 0]
        sigma = pm.HalfNormal("sigma", 1.0)
        pm.Normal("y", f, sigma, observed=y, shape=f.shape[0])

    began = time.perf_counter()
    trace = pm.sample(
        draws,
        tune=tune,
        chains=chains,
        cores=1,
        target_accept=0.9,
        random_seed=args.seed,
        model=model,
    )
    seconds = {"NUTS": time.perf_counter() - began}
    # Written out in NumPy: a reference that shares no code with what it is compared with.
    w = {name: v.values[..., None, :] for name, v in trace.posterior.data_vars.items()}
    hidden = np.tanh(GRID[:, None] * w["dense1_W"][..., 0, :] + w["dense1_b"])
    f = (hidden * w["dense2_W"][..., 0].swapaxes(-1, -2)).sum(axis=-1) + w["dense2_b"][..., 0]
    rhat = float(np.max(az.rhat(f)))  # of the function: chains may sit at different weights
    f = f.reshape(-1, len(GRID))
    sigma = trace.posterior["sigma"].values.reshape(-1, 1)
    samples = {"NUTS": f + sigma * rng.normal(size=f.shape)}

    elbo = {}
    for name, guide in GUIDES.items():
        began = time.perf_counter()
        fitted = bnn.fit(model, steps=steps, guide=guide, particles=8, random_seed=args.seed)
        seconds[name] = time.perf_counter() - began
        elbo[name] = fitted.elbo(10 if args.quick else 1000)
        prediction = fitted.predict({"x": GRID[:, None]}, draws=len(f), random_seed=args.seed)
        samples[name] = prediction["y"].samples

    mean = {name: v.mean(axis=0) for name, v in samples.items()}
    ends = {name: np.quantile(v, [0.05, 0.95], axis=0) for name, v in samples.items()}
    width = {name: high - low for name, (low, high) in ends.items()}
    against, table = {}, []  # NUTS
    for name in GUIDES:
        against[name] = {"seconds": seconds[name], **elbo[name][["elbo", "elbo_se"]].to_dict()}
        for region, at in REGIONS.items():
            row = {
                "mean": np.abs(mean[name] - mean["NUTS"])[at].mean(),
                "ends": np.abs(ends[name] - ends["NUTS"])[:, at].mean(),
                "width": width[name][at].mean() / width["NUTS"][at].mean(),
            }
            against[name][region] = {k: float(v) for k, v in row.items()}
            table.append({"guide": name, "region": region, **row})
    divergences = int(trace.sample_stats["diverging"].sum())
    nuts = {"seconds": seconds["NUTS"], "rhat_of_function": rhat, "divergences": divergences}
    nuts["width"] = {region: float(width["NUTS"][at].mean()) for region, at in REGIONS.items()}
    report = {"steps": steps, "draws": len(f), "seed": args.seed, "nuts": nuts, "guides": against}
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")

    print("\nAgainst NUTS: mean |difference| of the predictive means and of the ends of 90 %")
    print("intervals, in units of y, whose noise is 0.2, and the ratio of the intervals' widths")
    print(pd.DataFrame(table).set_index(["guide", "region"]).round(3))
    print(
        f"\nNUTS        {nuts['seconds']:.0f} s, largest R-hat of the function {rhat:.3f}, "
        f"{divergences} divergences in {len(f)} draws"
    )
    for name, row in against.items():
        print(f"{name:11} {row['seconds']:.0f} s, ELBO {row['elbo']:.2f} ± {row['elbo_se']:.2f}")

    # Dotted lines part the data from the gap between them and from the outside.
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True, layout="constrained")
    for ax, name in zip(axes, GUIDES, strict=True):
        ax.fill_between(GRID, *ends["NUTS"], color="0.85", label="NUTS, 90 % interval")
        ax.plot(GRID, mean["NUTS"], color="0.45", label="NUTS, mean")
        for i, end in enumerate(ends[name]):
            ax.plot(GRID, end, "--", color="#0072B2", label=None if i else "guide, 90 % interval")
        ax.plot(GRID, mean[name], color="#0072B2", label="guide, mean")
        ax.plot(x, y, ".", color="#D55E00", markersize=4, label="data")
        for edge in (-2, -0.7, 0.7, 2):
            ax.axvline(edge, color="0.7", linewidth=0.8, linestyle=":", zorder=0)
        ax.set(title=f"{name}, ELBO {elbo[name]['elbo']:.1f}", xlabel="x", xlim=(-3, 3))
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("y")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    plots.save(figure, out / "predictions.png")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
