"""One network, nine priors of its weights: what they say about MNIST, told by the ELBO.

    python examples/priors.py --out results/priors
    python examples/priors.py --only fixed per_unit mixture

An MLP 784-400-400-10 is fitted to MNIST by the default guide and estimator under

- fixed, laplace, student_t: one standard deviation of 0.1 for all weights, three shapes;
- fan_in: Normal(0, 1/√inputs), so that signals keep their size from layer to layer;
- per_tensor: Normal(0, σ) with one σ ~ HalfNormal(1) for each matrix and each bias vector;
- per_unit: one σ for each input of a layer (automatic relevance determination): pixels that are
  always black may be switched off;
- mixture: π·N(0, σ₁²) + (1 − π)·N(0, σ₂²) with π, σ₁ > σ₂ learned, shared by the whole network;
- spike_slab: the same, fixed at half N(0, 1) and half N(0, 0.0025²);
- horseshoe: a half-Cauchy scale for each input of a layer, times one for the tensor. (One for each
  weight overflows here: Normal guides of their logarithms reach far into the heavy tail.)

The ELBO bounds the evidence, so that priors may be ranked by it; a posterior equal to the prior
scores about −log 10 per example. kl_weight is 1 throughout. The default is a short training, the
same for all: a prior whose fit has not settled yet ("unmoved", "scale ratio") may still gain.

The guide is Normal, so that priors of another shape pay for each weight, even one that the data
say nothing about: the least KL between a Normal and a Laplace distribution is 0.048 nats, to
Student's t 0.026, to the spike and slab log 2. For 478,410 weights and 50,000 images that is 0.46,
0.25 and 6.6 nats per example: the ELBO ranks prior and guide together.
"""

import argparse
import json
import time

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn import plots, uncertainty
from pymc_bnn.priors import (
    Beta,
    HalfCauchy,
    HalfNormal,
    Horseshoe,
    Laplace,
    Normal,
    ScaleMixture,
    StudentT,
    fan_in_normal,
    spike_and_slab,
)
from pymc_bnn.report import make_folder

SHARED = {"per": "network"}
PRIORS = {
    "fixed": Normal(0, 0.1),
    "laplace": Laplace(0, 0.1 / np.sqrt(2)),
    "student_t": StudentT(4, 0, 0.1 / np.sqrt(2)),
    "fan_in": fan_in_normal(),
    "per_tensor": Normal(0, HalfNormal(1.0)),
    "per_unit": {"*_W": Normal(0, HalfNormal(1.0, per="unit")), "*_b": Normal(0, HalfNormal(1.0))},
    "mixture": ScaleMixture(
        Beta(1.0, 1.0, **SHARED), (HalfNormal(1.0, **SHARED), HalfNormal(0.1, **SHARED))
    ),
    "spike_slab": spike_and_slab(),
    "horseshoe": Horseshoe(local_scale=HalfCauchy(1.0, per="unit")),
}
BATCH_SIZE = 500


def main() -> None:
    """Fit under every prior, and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/priors", help="folder for the results")
    parser.add_argument("--only", nargs="+", choices=PRIORS, metavar="NAME")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="three priors of small digits")
    args = parser.parse_args()
    args.only = args.only or (["fixed", "per_unit", "mixture"] if args.quick else list(PRIORS))
    out = make_folder(args.out)

    hidden, epochs, batch_size = (400, 400), args.epochs, BATCH_SIZE
    if args.quick:
        train, test = bnn.datasets.load_digits(test_size=0.2, random_seed=0)
        hidden, epochs, batch_size = (8, 8), 5, 100
    else:
        train, _, test = bnn.datasets.load_mnist()  # 50,000 train, 10,000 test

    table: dict[str, dict[str, float]] = {}
    report = {"epochs": epochs, "batch_size": batch_size, "hidden": hidden, "seed": args.seed}
    for name in args.only:
        network = bnn.networks.mlp((train.x[0].size, *hidden, 10), activation="tanh")
        with pm.Model() as model:
            x = pm.Data("x", train.x)
            logits = bnn.bayesian(network, x, PRIORS[name])
            pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])
        began = time.perf_counter()
        fitted = bnn.fit(model, epochs=epochs, batch_size=batch_size, random_seed=args.seed)
        seconds = time.perf_counter() - began
        prediction = fitted.predict({"x": test.x}, draws=100, random_seed=args.seed)
        frame = uncertainty.summary(prediction, test.y)
        elbo = fitted.elbo(5, batch_size=1000)  # of all training images
        # The weight matrices, or what the prior made of them (the horseshoe's dense1_W_raw).
        weights = fitted.summary().filter(regex=r"_W(_raw)?$", axis="index")
        table[name] = {
            "accuracy": frame["correct"].mean(),
            "nll": frame["nll"].mean(),
            "elbo_per_example": elbo["elbo_per_example"],
            "elbo": elbo["elbo"],
            "elbo_se": elbo["elbo_se"],
            "kl": elbo["kl"],
            "kl_weight": fitted.kl_weight,
            **{f"ratio_{i}": r for i, r in enumerate(weights["scale_ratio"], 1)},
            "pruned": np.average(weights["pruned"], weights=weights["size"]),
            "unmoved": np.average(weights["unmoved"], weights=weights["size"]),
            "seconds": seconds,
        }
        print(
            f"{name}: accuracy {table[name]['accuracy']:.4f}, ELBO per example "
            f"{elbo['elbo_per_example']:.3f} at kl_weight {fitted.kl_weight:g}, {seconds:.0f} s"
        )
        if name == "mixture":
            report["mixture"] = report_mixture(fitted, out / "mixture.png")
        frame = pd.DataFrame(table).T  # written each time: what is done stays
        report["priors"] = frame.astype(object).where(frame.notna(), None).to_dict("index")
        (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")

    table = pd.DataFrame(table).T
    print(f"\n{epochs} epochs of batches of {batch_size}, the largest ELBO first:")
    print(table.sort_values("elbo", ascending=False).to_string(float_format=lambda v: f"{v:.4g}"))

    size = (10.5, 1.6 + 0.32 * len(table))
    figure, (left, right) = plt.subplots(1, 2, figsize=size, layout="constrained")
    loss = -table.sort_values("elbo", ascending=False)[["elbo_per_example"]]
    error = 100 * (1 - table.loc[loss.index, ["accuracy"]])
    label = "−ELBO per example [nats], kl_weight 1\n(logarithmic axis; left is better)"
    line = np.log(10), "posterior equal to the prior, log 10"
    plots.dots(loss, left, xlabel=label, log=True, line=line)
    plots.dots(error, right, xlabel="test error [%]\n(logarithmic axis; left is better)", log=True)
    plots.save(figure, out / "priors.png")
    print(f"written to {out}")


def report_mixture(fitted: bnn.Approximation, path: str) -> dict[str, dict[str, float]]:
    """Print and draw the posterior of the learned scale mixture; return means and deviations."""
    draws = fitted.sample(2000, ["weight", "sigma_1", "sigma_2"], random_seed=0).posterior
    learned = {
        name: {"mean": float(values.mean()), "std": float(values.std())}
        for name, values in draws.items()
    }
    for name, numbers in learned.items():
        print(f"  {name:8} {numbers['mean']:.4f} ± {numbers['std']:.4f}")
    figure, axes = plt.subplots(1, 3, figsize=(14, 3.8), layout="constrained")
    share = draws["weight"].to_numpy().ravel()
    axes[0].hist(share, bins=40, density=True, color="#009E73", alpha=0.6)
    axes[0].spines[["top", "right"]].set_visible(False)
    axes[0].set(xlabel="share π of the wide component", ylabel="posterior density")
    plots.scale_posteriors(draws, ["sigma_1", "sigma_2"], axes[1])
    plots.mixture_density(*draws.values(), axes[2], normals=(1.0, 0.1))
    plots.save(figure, path)
    return learned


if __name__ == "__main__":
    main()
