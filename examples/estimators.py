"""One network, one prior, four estimators of the ELBO's gradient: what each costs and buys.

    python examples/estimators.py --out results/estimators

An MLP 784-400-400-10 with weights ~ Normal(0, 0.1) is fitted to MNIST under every estimator, with
the same seed, optimiser and epochs:

- pathwise: one draw of the weights serves the whole batch;
- pathwise_2: the mean of two such gradients (`particles=2`);
- flipout: the draw gets random signs for each example;
- local: each example's pre-activations are drawn instead ("auto" chooses it for dense layers).

("local_approx" differs from "local" only where examples meet a weight at several positions, so it
has no place here.) All four have the same expectation; the questions are how much they vary, how
long a step takes, and which ELBO they reach in an hour of yours. kl_weight is 1: no cold posterior.
"""

import argparse
import json
import time

import matplotlib.pyplot as plt
import pandas as pd
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn import plots, uncertainty
from pymc_bnn.efficiency import gradient_variance, step_rates
from pymc_bnn.report import make_folder

CONTENDERS = {
    "pathwise": {"estimator": "pathwise"},
    "pathwise_2": {"estimator": "pathwise", "particles": 2},
    "flipout": {"estimator": "flipout"},
    "local": {"estimator": "local"},
}
BATCH_SIZE = 500


def main() -> None:
    """Fit under every estimator, measure, and write the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/estimators", help="folder for the results")
    parser.add_argument("--only", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--epochs", type=int, default=20, help="passes over the training images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="small digits, to see that it runs")
    args = parser.parse_args()
    out = make_folder(args.out)

    hidden, epochs, batch_size, draws, rounds = (400, 400), args.epochs, BATCH_SIZE, 50, 10
    if args.quick:
        train, test = bnn.datasets.load_digits(test_size=0.2, random_seed=0)
        hidden, epochs, batch_size, draws, rounds = (20, 20), 5, 100, 10, 1
    else:
        train, _, test = bnn.datasets.load_mnist()  # 50,000 train, 10,000 test

    network = bnn.networks.mlp((train.x[0].size, *hidden, 10), activation="tanh")
    with pm.Model() as model:
        x = pm.Data("x", train.x)
        logits = bnn.bayesian(network, x, bnn.priors.Normal(0, 0.1))
        pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])

    contenders = {name: CONTENDERS[name] for name in args.only}
    fits, table = {}, {}
    for name, keywords in contenders.items():
        began = time.perf_counter()
        fitted = bnn.fit(
            model, epochs=epochs, batch_size=batch_size, random_seed=args.seed, **keywords
        )
        seconds = time.perf_counter() - began
        prediction = fitted.predict({"x": test.x}, draws=100, random_seed=args.seed)
        frame = uncertainty.summary(prediction, test.y)
        elbo = fitted.elbo(5, batch_size=1000)  # of all training images
        fits[name] = fitted
        fitted.history.to_csv(out / f"history_{name}.csv")
        table[name] = {
            "elbo_per_example": elbo["elbo_per_example"],
            "elbo": elbo["elbo"],
            "elbo_se": elbo["elbo_se"],
            "kl": elbo["kl"],
            "kl_weight": fitted.kl_weight,
            "test_error": 1 - frame["correct"].mean(),
            "test_nll": frame["nll"].mean(),
            "fit_s": seconds,
        }
        print(f"{name}: ELBO per example {elbo['elbo_per_example']:.3f}, {seconds:.0f} s")

    # Speed in turns, and the gradient's variance at the parameters of one fit for all.
    first, last = args.only[0], args.only[-1]
    reference = fits[last]
    rates = step_rates(reference, contenders, rounds=rounds)
    table = pd.DataFrame(table).T.join(rates)
    table["minutes"] = [len(f.history) for f in fits.values()] / table["steps_per_second"] / 60
    noise = {k: gradient_variance(reference, **c, draws=draws) for k, c in contenders.items()}
    unit = noise[first]["noise_loc"]
    relative = pd.DataFrame({k: frame["noise_loc"] / unit for k, frame in noise.items()})
    for column in ("noise_loc", "noise_loc_se", "total_loc", "total_loc_se"):
        table[column] = [frame.loc["(all)", column] / unit["(all)"] for frame in noise.values()]

    shown = ["steps_per_second", "minutes", "noise_loc", "total_loc", "elbo_per_example"]
    shown += ["kl_weight", "test_error", "test_nll"]
    print(
        f"\n{epochs} epochs of batches of {batch_size}; variances relative to the noise of {first}:"
    )
    print(table[shown].to_string(float_format=lambda v: f"{v:.4g}"))

    report = {"epochs": epochs, "batch_size": batch_size, "hidden": hidden, "seed": args.seed}
    report["estimators"] = table.to_dict("index")
    report["noise_of_locations"] = relative.to_dict()
    (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    speeds = table["steps_per_second"].to_dict()
    shared = {"n_classes": 10, "legend": False}
    plots.elbo_curves(fits, ax=left, steps_per_second=speeds, **shared)
    plots.elbo_curves(fits, ax=right, **shared)
    names = left.get_legend_handles_labels()
    figure.legend(*names, loc="outside upper center", ncols=5, frameon=False, fontsize="small")
    plots.save(figure, out / "elbo.png")
    label = "variance of the gradient within a minibatch\n(trace of its covariance, by the "
    label += f"locations), relative to {first}"
    plots.save(plots.dots(relative, xlabel=label, log=True), out / "gradient_variance.png")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
