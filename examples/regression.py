"""A noisy sine, seen on a third of the axis, and networks that should know where they guess.

    python examples/regression.py --out results/regression

32 points y = 10·sin(2πx) + N(0, 1) at x in [−0.5, 0.5], a network 1-20-20-1 of rectified linear
units, predictions on [−1.5, 1.5] from 500 draws: a band that is narrow inside the data should open
outside. Five models, each at kl_weight 1:

- learned means: every weight has the prior N(m, 1) with a mean m of its own, a point learned from
  the data (empirical Bayes) and held by a weak prior N(0, 5²). With none (`--original`, as a
  tutorial has it: 1,500 epochs of Adam at 0.03, posterior scales from 1.0) the means explain all
  in the end, and the band closes outside, as nothing is left there that is not known;
- mixture: π·N(0, σ₁²) + (1 − π)·N(0, σ₂²), shared by all layers, with a posterior of π, σ₁, σ₂;
- normal: every weight is N(0, 1);
- learned noise: learned means, and a noise known within a quarter, so that there are two bands:
  what is not known (epistemic), and what no data would take away (aleatoric);
- normal, learned noise: the same with weights N(0, 1).

NUTS, PyMC's sampler, has the last word on the two normal ones, with the very same priors. A Normal
guide sits at one of very many equivalent modes, and pays some 100 nats to pin down the weights
there. Where a model leaves a way to save them the ELBO takes it: the last model calls the sine
noise, which NUTS does not. The mixture leaves 3 % of the weights free, all pinned by the data, and
puts the rest into the spike: a better ELBO than normal's, and a band that stays shut outside.
(NUTS is not shown there: its chains disagree on π.)
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
from pymc_bnn import plots, uncertainty
from pymc_bnn.guides import Delta, LowRank, MeanField
from pymc_bnn.priors import Beta, Flat, HalfNormal, Normal, ScaleMixture
from pymc_bnn.report import make_folder

SHARED = {"per": "network"}
MIXTURE = ScaleMixture(
    Beta(1.0, 1.0, **SHARED), (HalfNormal(1.0, **SHARED), HalfNormal(0.1, **SHARED))
)
MIXTURE_START = {"weight": 0.2, "sigma_1": 1.0, "sigma_2": 0.1}
LEARNED_MEANS = Normal(Normal(0.0, 5.0, per="weight"), 1.0)
NORMAL = Normal(0.0, 1.0)
ALONE = {"sigma": MeanField()}  # the noise; the weights' covariance has low rank
# Prior, noise (None: learned), guide, and other arguments of the fit.
MODELS = {
    "learned means": (LEARNED_MEANS, 1.0, {"*_mu": Delta(), "*": LowRank(10)}, {}),
    "mixture": (MIXTURE, 1.0, {"dense*": LowRank(10)}, {"start": MIXTURE_START}),
    "normal": (NORMAL, 1.0, LowRank(10), {}),
    "learned noise": (LEARNED_MEANS, None, {"*_mu": Delta(), **ALONE, "*": LowRank(10)}, {}),
    "normal, learned noise": (NORMAL, None, {**ALONE, "*": LowRank(10)}, {}),
}
ORIGINAL = {
    "learned means, original": (
        Normal(Flat(per="weight"), 1.0),
        1.0,
        {"*_mu": Delta(), "*": MeanField(init_scale=1.0, relative_to="one")},
        {"learning_rate": 0.03, "scale_learning_rate": 0.03, "particles": 1},
    )
}
QUICK = ("learned means, original", "mixture", "normal", "learned noise")
SAMPLED = ("normal", "normal, learned noise")
DRAWS = 500
GRID = np.linspace(-1.5, 1.5, 151)
INSIDE = np.abs(GRID) <= 0.5


def truth(x: np.ndarray) -> np.ndarray:
    """Return the true function."""
    return 10 * np.sin(2 * np.pi * x)


def build(x: np.ndarray, y: np.ndarray, prior: bnn.priors.Prior, noise: float | None) -> pm.Model:
    """Write the model."""
    with pm.Model() as model:
        inputs = pm.Data("x", x[:, None])
        network = bnn.networks.mlp((1, 20, 20, 1), activation="relu")
        f = pm.Deterministic("f", bnn.bayesian(network, inputs, prior)[:, 0])
        sigma = pm.LogNormal("sigma", 0.0, 0.25) if noise is None else noise
        pm.Normal("y", f, sigma, observed=y, shape=f.shape[0])
    return model


def judge(f: np.ndarray, samples: np.ndarray, y: np.ndarray, log_density: np.ndarray) -> dict:
    """Return the numbers of a prediction: the function on the grid, new observations inside."""
    spread, error = f.std(axis=0, ddof=1), (f.mean(axis=0) - truth(GRID))[INSIDE]
    inside, outside = spread[INSIDE].mean(), spread[~INSIDE].mean()
    coverage = uncertainty.interval_coverage(samples, y)
    return {
        "sd_inside": inside,
        "sd_outside": outside,
        "ratio": outside / inside,
        "rmse_inside": np.sqrt(np.mean(error**2)),
        "coverage": coverage.value,
        "coverage_low": coverage.low,
        "coverage_high": coverage.high,
        "crps": uncertainty.crps(samples, y).mean(),
        "nlpd": -log_density.mean(),
    }


def sample_by_nuts(model: pm.Model, x: np.ndarray, draws: int, seed: int) -> tuple[dict, ...]:
    """Return draws of the function (draws, n), of all else by name, and how the sampling went."""
    settings = {"chains": 2, "cores": 1, "target_accept": 0.9, "random_seed": seed}
    began = time.perf_counter()
    trace = pm.sample(draws, tune=draws, model=model, compute_convergence_checks=False, **settings)
    seconds = time.perf_counter() - began
    w = {name: v.values for name, v in trace.posterior.data_vars.items()}
    # Written out in NumPy: a reference that shares no code with what it is compared with.
    h = x[:, None]
    for layer in ("dense1", "dense2", "dense3"):
        z = h @ w[f"{layer}_W"] + w[f"{layer}_b"][..., None, :]
        h = np.maximum(z, 0)
    f = z[..., 0]  # (chains, draws, n)
    how = {
        "seconds": seconds,
        "draws": f.shape[0] * f.shape[1],
        "rhat_of_function": np.max(az.rhat(f)),  # chains may sit at different weights
        "divergences": int(trace.sample_stats["diverging"].sum()),
    }
    rest = {name: v.ravel() for name, v in w.items() if v.ndim == 2}
    return f.reshape(-1, len(x)), rest, how


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
    models, sampled = (ORIGINAL, ()) if args.original else (MODELS, SAMPLED)
    steps, nuts_draws, elbo_draws = (1500 if args.original else args.steps), 400, 1000
    if args.quick:
        steps, nuts_draws, elbo_draws, sampled = 200, 20, 10, sampled[:1]
        models = {name: models[name] for name in models if name in QUICK}

    rng = np.random.default_rng(args.seed)
    x = np.linspace(-0.5, 0.5, 32)
    y = truth(x) + rng.normal(size=32)
    x_test = rng.uniform(-0.5, 0.5, 1000)
    y_test = truth(x_test) + rng.normal(size=1000)
    points, n = np.concatenate([GRID, x_test]), len(GRID)
    new = {"x": points[:, None], "y": np.concatenate([truth(GRID), y_test])}

    table, bands = {}, {}
    report = {"steps": steps, "draws": DRAWS, "seed": args.seed, "models": table}
    for name, (prior, noise, guide, options) in models.items():
        model = build(x, y, prior, noise)
        settings = {"steps": steps, "particles": 4, "random_seed": args.seed, **options}
        began = time.perf_counter()
        fitted = bnn.fit(model, guide=guide, **settings)
        seconds = time.perf_counter() - began
        prediction = fitted.predict(new, DRAWS, var_names="f", random_seed=args.seed)
        single = fitted.predict({"x": GRID[:, None]}, 1, at="mean", var_names="f")["f"].mean
        f = prediction["f"].samples[:, :n]
        hyper = [v for v in ("weight", "sigma_1", "sigma_2", "sigma") if v in fitted.mean]
        ratio = fitted.scale_ratio().filter(regex="_[Wb]$")
        table[name] = {
            **judge(f, prediction["y"].samples[:, n:], y_test, prediction.log_density[n:]),
            **fitted.elbo(elbo_draws),
            "kl_weight": fitted.kl_weight,
            "seconds": seconds,
            "scale_ratio": ratio.to_dict(),
            "learned": {v: [float(fitted.mean[v]), float(fitted.std[v])] for v in hyper},
        }
        noises = noise or fitted.sample(DRAWS, "sigma", random_seed=0).posterior["sigma"].values.T
        parts = uncertainty.variance_parts(f, noises)
        table[name]["aleatoric_sd"] = parts.aleatoric.mean()
        known = {"data": (x, y), "truth": truth(GRID)}
        bands[name] = {"ours": (f.mean(axis=0), parts.epistemic)}
        ax = plots.predictive_band(
            GRID, f.mean(axis=0), parts.epistemic, parts.aleatoric, at_mean=single, **known
        )
        ax.set_ylim(-30, 30)
        plots.save(ax, out / f"regression_{name.replace(',', '').replace(' ', '_')}.png")

        if name in sampled:
            f, rest, how = sample_by_nuts(model, points, nuts_draws, args.seed)
            noises = rest.get("sigma", np.ones(len(f)))[:, None]
            samples = f[:, n:] + noises * rng.normal(size=(len(f), len(y_test)))
            z = (y_test - f[:, n:]) / noises
            density = np.exp(-0.5 * z**2) / (noises * np.sqrt(2 * np.pi))
            table[f"{name}: NUTS"] = {
                **judge(f[:, :n], samples, y_test, np.log(density.mean(axis=0))),
                **how,
                "learned": {v: [float(d.mean()), float(d.std())] for v, d in rest.items()},
            }
            ours, nuts = table[name], table[f"{name}: NUTS"]
            ours["width_against_nuts"] = {
                where: ours[f"sd_{where}"] / nuts[f"sd_{where}"] for where in ("inside", "outside")
            }
            bands[name]["NUTS"] = f[:, :n].mean(axis=0), f[:, :n].std(axis=0, ddof=1)
        plain = json.loads(json.dumps(report, default=float))
        (out / "report.json").write_text(json.dumps(plain, indent=2) + "\n")

    columns = ["sd_inside", "sd_outside", "ratio", "rmse_inside", "coverage", "crps", "nlpd"]
    columns += ["elbo", "objective", "kl_weight", "seconds"]
    frame = pd.DataFrame(table).T.reindex(columns=columns).astype(float).round(3)
    print("\nsd: of the function, in units of y, whose noise is 1; coverage of 95 % intervals,")
    print(
        "CRPS and NLPD: of 1,000 new points inside; fits with points have no ELBO, but an objective"
    )
    print(frame.to_string(na_rep="–"))
    for name, row in table.items():
        learned = [f"{v} {mean:.3f} ± {std:.3f}" for v, (mean, std) in row["learned"].items()]
        if "rhat_of_function" in row:
            learned += [f"R-hat of the function {row['rhat_of_function']:.3f}"]
            learned += [f"{row['divergences']} divergences in {row['draws']} draws"]
        else:
            ratios = "/".join(f"{r:.2f}" for r in row["scale_ratio"].values())
            learned += [f"posterior/prior scales {ratios}"]
            widths = row.get("width_against_nuts", {})
            learned += [f"width {where}: {w:.2f} of NUTS's" for where, w in widths.items()]
        print(f"{name}: {', '.join(learned)}")

    both = [name for name in sampled if "NUTS" in bands[name]]
    if both:
        size, names = (5.0 * len(both), 4.4), ("NUTS", "ours")
        figure, axes = plt.subplots(
            1, len(both), figsize=size, sharey=True, squeeze=False, layout="constrained"
        )
        for ax, name in zip(axes[0], both, strict=True):
            order = {method: bands[name][method] for method in names}
            known = {"data": (x, y), "truth": truth(GRID)}
            plots.compare_bands(GRID, order, **known, legend=False, ax=ax)
            ax.set(title=name, ylim=(-30, 30))
            ax.label_outer()
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        plots.save(figure, out / "regression_nuts.png")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
