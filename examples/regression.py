"""A noisy sine, seen on a third of the axis, and networks that should know where they guess.

    python examples/regression.py --out results/regression

32 points of 10·sin(2πx) + N(0, 1) on [−0.5, 0.5], a network 1-20-20-1 of rectified linear units: a
band narrow there should open outside, on [−1.5, 1.5]. Weights are N(0, 1), beside NUTS, PyMC's
sampler, which has the last word; a learned mixture of two Normals; or N(m, 1), each m a point
learned from the data (empirical Bayes), which in a tutorial's fit, `--original`, nothing holds.
Learned noise makes two bands: what is not known (epistemic), and what no data would take away
(aleatoric). A Normal guide pays some 100 nats to pin the weights down, and the ELBO takes every way
to save them: it calls the sine noise, and leaves but 3 % of the mixture's weights free.
"""

import argparse
import json
import time

import arviz as az
import numpy as np
import pandas as pd
import pymc as pm
from scipy import stats

import pymc_bnn as bnn
from pymc_bnn import plots, uncertainty
from pymc_bnn.guides import Delta, LowRank, MeanField
from pymc_bnn.priors import Beta, Flat, HalfNormal, Normal, ScaleMixture
from pymc_bnn.report import make_folder

ALL = {"per": "network"}
MIXTURE = ScaleMixture(Beta(1.0, 1.0, **ALL), (HalfNormal(1.0, **ALL), HalfNormal(0.1, **ALL)))
LEARNED_MEANS = Normal(Normal(0.0, 5.0, per="weight"), 1.0)
POINTS, LOW_RANK = {"*_mu": Delta()}, {"dense*": LowRank(10)}
WIDE = {"dense*": MeanField(init_scale=1.0, relative_to="one")}
RATES = {"learning_rate": 0.03, "scale_learning_rate": 0.03, "particles": 1}
# Prior of the weights, noise (None: learned), guide, other arguments of the fit.
MODELS = {
    "learned means": (LEARNED_MEANS, 1.0, POINTS | LOW_RANK, {}),
    "mixture": (MIXTURE, 1.0, LOW_RANK, {"start": {"weight": 0.2, "sigma_1": 1, "sigma_2": 0.1}}),
    "normal": (Normal(0.0, 1.0), 1.0, LOW_RANK, {}),
    "learned noise": (LEARNED_MEANS, None, POINTS | LOW_RANK, {}),
    "normal, learned noise": (Normal(0.0, 1.0), None, LOW_RANK, {}),
    "learned means, original": (Normal(Flat(per="weight"), 1.0), 1.0, POINTS | WIDE, RATES),
}
QUICK = ("mixture", "normal", "learned noise", "learned means, original")
GRID = np.linspace(-1.5, 1.5, 151)
INSIDE = np.abs(GRID) <= 0.5


def truth(x: np.ndarray) -> np.ndarray:
    """Return the true function."""
    return 10 * np.sin(2 * np.pi * x)


def judge(f: np.ndarray, samples: np.ndarray, y: np.ndarray, log_density: np.ndarray) -> dict:
    """Return the numbers of a prediction: the function on the grid, new observations inside."""
    spread, error = f.std(axis=0, ddof=1), (f.mean(axis=0) - truth(GRID))[INSIDE]
    numbers = {"sd_inside": spread[INSIDE].mean(), "sd_outside": spread[~INSIDE].mean()}
    numbers["ratio"] = numbers["sd_outside"] / numbers["sd_inside"]
    numbers["rmse_inside"] = np.sqrt(np.mean(error**2))
    scores = uncertainty.evaluate_values(samples, y, log_density)
    coverage = scores.loc["coverage"].set_axis(["coverage", "coverage_low", "coverage_high"])
    return {**numbers, **coverage, **scores.loc[["crps", "nlpd"], "value"]}


def sample_by_nuts(model: pm.Model, x: np.ndarray, draws: int, seed: int) -> tuple:
    """Return draws of the function (draws, n), of the noise (draws, 1), and how it went."""
    settings = {"chains": 2, "cores": 1, "target_accept": 0.9, "random_seed": seed}
    began = time.perf_counter()
    trace = pm.sample(draws, tune=draws, model=model, compute_convergence_checks=False, **settings)
    how = {"seconds": time.perf_counter() - began, "draws": 2 * draws}
    with model:
        pm.set_data({"x": x[:, None]})
        new = pm.sample_posterior_predictive(trace, var_names=["f"], progressbar=False)
    f = new.posterior_predictive["f"].values  # (chains, draws, n)
    how["rhat_of_function"] = np.max(az.rhat(f))  # chains may sit at different weights
    how["divergences"] = int(trace.sample_stats["diverging"].sum())
    noise = np.ravel(trace.posterior.get("sigma", np.ones(2 * draws)))
    how["learned"] = {"sigma": [noise.mean(), noise.std()]} if "sigma" in trace.posterior else {}
    return f.reshape(-1, len(x)), noise[:, None], how


def main() -> None:
    """Fit, sample, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/regression", help="folder for the results")
    parser.add_argument("--steps", type=int, default=20_000, help="of each fit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--original", action="store_true", help="the tutorial's fit, nothing else")
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    args = parser.parse_args()
    out = make_folder(args.out)
    names = [name for name in MODELS if ("original" in name) == args.original]
    steps, draws, nuts_draws, elbo_draws = 1500 if args.original else args.steps, 500, 400, 1000
    if args.quick:
        names, steps, nuts_draws, elbo_draws = [n for n in names if n in QUICK], 200, 20, 10

    rng, n = np.random.default_rng(args.seed), len(GRID)
    x = np.linspace(-0.5, 0.5, 32)
    y = truth(x) + rng.normal(size=32)
    points = np.concatenate([GRID, rng.uniform(-0.5, 0.5, 1000)])
    y_test = truth(points[n:]) + rng.normal(size=1000)
    new = {"x": points[:, None], "y": np.concatenate([truth(GRID), y_test])}
    known = {"data": (x, y), "truth": truth(GRID), "ylim": (-30, 30)}
    table, panels, coverages = {}, {}, {}
    report = {"steps": steps, "draws": draws, "seed": args.seed, "models": table}
    for name in names:
        prior, noise, guide, options = MODELS[name]
        network = bnn.networks.mlp((1, 20, 20, 1), activation="relu")
        with pm.Model() as model:
            f = bnn.bayesian(network, pm.Data("x", x[:, None]), prior)[:, 0]
            sigma = pm.LogNormal("sigma", 0.0, 0.25) if noise is None else noise
            pm.Normal("y", pm.Deterministic("f", f), sigma, observed=y, shape=f.shape[0])
        options = {"particles": 4, "random_seed": args.seed, **options}
        began = time.perf_counter()
        fitted = bnn.fit(model, steps=steps, guide=guide, **options)
        seconds = time.perf_counter() - began

        pred = fitted.predict(new, draws, var_names="f", random_seed=args.seed)
        single = fitted.predict({"x": GRID[:, None]}, 1, at="mean", var_names="f")["f"].mean
        f, samples = pred["f"].samples[:, :n], pred["y"].samples[:, n:]
        noises = noise or fitted.sample(draws, "sigma", random_seed=0).posterior["sigma"].values.T
        parts = uncertainty.variance_parts(f, noises)
        hyper = [v for v in fitted.mean if fitted.mean[v].ndim == 0]
        coverages[name] = uncertainty.coverage_table(samples, y_test)
        table[name] = ours = judge(f, samples, y_test, pred.log_density[n:])
        ours |= {**fitted.elbo(elbo_draws), "kl_weight": fitted.kl_weight, "seconds": seconds}
        ours["scale_ratio"] = fitted.scale_ratio().filter(regex="_[Wb]$").to_dict()
        ours["learned"] = {v: [float(fitted.mean[v]), float(fitted.std[v])] for v in hyper}
        ours["aleatoric_sd"] = parts.aleatoric.mean()
        band = f.mean(axis=0), parts.epistemic
        ax = plots.predictive_band(GRID, *band, parts.aleatoric, at_mean=single, **known)
        slug = name.replace(",", "").replace(" ", "_")
        plots.save(ax, out / f"regression_{slug}.png")
        ax = plots.predicted_observed(samples[:, :200], y_test[:200])
        plots.save(ax, out / f"observed_{slug}.png")

        if name in ("normal", "normal, learned noise"):
            f, noises, how = sample_by_nuts(model, points, nuts_draws, args.seed)
            samples = f[:, n:] + noises * rng.normal(size=(len(f), len(y_test)))
            log_density = np.log(stats.norm.pdf(y_test, f[:, n:], noises).mean(axis=0))
            nuts = {**judge(f[:, :n], samples, y_test, log_density), **how}
            widths = {at: ours[f"sd_{at}"] / nuts[f"sd_{at}"] for at in ("inside", "outside")}
            table[f"{name}: NUTS"], ours["width_against_nuts"] = nuts, widths
            panels[name] = {"NUTS": (f.mean(axis=0)[:n], f.std(axis=0, ddof=1)[:n]), "ours": band}
            plots.save(plots.band_panels(GRID, panels, **known), out / "regression_nuts.png")
        (out / "report.json").write_text(json.dumps(report, indent=2, default=float) + "\n")

    plots.save(plots.coverage_curves(coverages), out / "regression_coverage.png")
    columns = ["sd_inside", "sd_outside", "ratio", "rmse_inside", "coverage", "crps", "nlpd"]
    columns += ["elbo", "objective", "kl_weight", "seconds"]
    frame = pd.json_normalize(list(table.values())).set_axis(list(table))
    print("\nsd: of the function; coverage (95 %), CRPS, NLPD: 1,000 points; learned: mean, sd")
    print(frame.reindex(columns=columns).astype(float).round(3).to_string(na_rep="–"))
    print(frame.drop(columns=columns, errors="ignore").round(3).T.to_string(na_rep="–"))
    print(f"written to {out}")


if __name__ == "__main__":
    main()
