"""Local reparameterisation and variational dropout on MNIST: system 3, its KL the right way up.

    python examples/local_reparameterisation.py --out results/local_reparameterisation

An MLP 784-1024-1024-1024-10 with leaky ReLU, in several ways:

- dropout: deterministic, 0.2 of the inputs and 0.5 of the hidden units dropped;
- variational_dropout: the Pyro original's model and guide: N(0, 1) priors, posterior scales of at
  least 0.01 that share a learned multiplier α in [0.1, 1] per layer;
- normal, hierarchical, per_unit, fan_in, student_t: mean-field posteriors under other priors;
- cold: the last of these at a KL weight below 1, chosen on validation images.

All but the first draw each example's pre-activations instead of its weights (local
reparameterisation), with the KL in closed form where there is one. In the original the KL of a
layer was rewarded; here it is paid, in full, so that what the posterior gives back to the prior
shows. kl_weight is 1 in every row that does not say otherwise.
"""

import argparse
import time

import optax
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn import guides, plots, priors, uncertainty
from pymc_bnn.report import compare, make_folder, write_report

COLD = 0.01  # validation NLL after five epochs: 0.070 at 0.1, 0.059 at 0.03, 0.054 at 0.01
STUDENT_T = priors.StudentT(nu=4, sigma=0.07)  # a standard deviation of 0.1
PRIORS = {
    "dropout": priors.Flat(),
    "variational_dropout": priors.Normal(0, 1),
    "normal": priors.Normal(0, 0.1),
    "hierarchical": priors.Normal(0, priors.HalfNormal(1.0)),
    "per_unit": priors.Normal(0, priors.HalfNormal(1.0, per="unit")),
    "fan_in": priors.Normal(0, priors.FanIn()),
    "student_t": STUDENT_T,
    "cold": STUDENT_T,
}
DROPOUT = (0.2, 0.5, 0.5, 0.5)


def guide_of(name: str) -> guides.Guide | dict[str, guides.Guide]:
    """Return points, the original's tied scales (α starts at p/(1 − p)), or mean-field."""
    if name == "dropout":
        return guides.Delta()
    if name != "variational_dropout":
        return guides.MeanField()
    shared = {"form": "scale", "bounds": (0.1, 1.0), "floor": 0.01, "shared": True}
    return {
        f"dense{i}_*": guides.VariationalDropout(
            alpha=min(p / (1 - p), 0.99), init_scale=0.1, relative_to="one", **shared
        )
        for i, p in enumerate(DROPOUT, start=1)
    }


def main() -> None:
    """Fit the networks, compare them, draw the uncertain digits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/local_reparameterisation", help="for results")
    parser.add_argument("--only", nargs="+", choices=PRIORS, help="by default all of them")
    parser.add_argument("--epochs", type=int, default=12, help="in batches of 500")
    parser.add_argument("--kl-weight", type=float, default=COLD, help="of the cold posterior")
    parser.add_argument("--validate", action="store_true", help="report on the validation images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--original", action="store_true", help="the published optimisers")
    parser.add_argument("--quick", action="store_true", help="few images and networks: it runs")
    args = parser.parse_args()
    out = make_folder(args.out)

    train, validation, test = bnn.datasets.load_mnist()
    test = validation if args.validate else test
    hidden, epochs, batch_size, draws = (1024, 1024, 1024), args.epochs, 500, 100
    if args.original:
        epochs, batch_size = 30, 128
    if args.quick:
        train, test = train.subset(slice(1000)), test.subset(slice(300))
        hidden, epochs, draws = (32, 32, 32), 2, 50

    for name in args.only or (["dropout", "variational_dropout"] if args.quick else PRIORS):
        options = {"learning_rate": 0.003, "epochs": epochs}
        if name == "dropout":
            options["learning_rate"] = 0.001
        if args.original:
            sgd = optax.sgd(0.1, 0.95) if name == "dropout" else optax.sgd(0.002, 0.9, True)
            options = {"optimizer": sgd, "epochs": 50 if name == "dropout" else epochs}
        network = bnn.networks.mlp(
            (784, *hidden, 10),
            activation="leaky_relu",
            dropout=DROPOUT if name == "dropout" else 0.0,
        )
        with pm.Model() as model:
            x = pm.Data("x", train.x)
            logits = bnn.bayesian(network, x, PRIORS[name])
            pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])

        began = time.perf_counter()
        fitted = bnn.fit(
            model,
            batch_size=batch_size,
            guide=guide_of(name),
            kl_weight=args.kl_weight if name == "cold" else 1.0,
            random_seed=args.seed,
            **options,
        )
        seconds = time.perf_counter() - began
        prediction = fitted.predict({"x": test.x}, draws=draws, random_seed=args.seed)
        report = write_report(
            out / name, fitted, prediction, test.y, images=test.x, seconds=seconds, elbo_draws=3
        )
        print(f"{name}: accuracy {report['accuracy']:.4f}, {seconds / 60:.1f} minutes")
        votes = uncertainty.label_votes(prediction.probs[:30], args.seed)
        grid = plots.vote_grid(test.x, votes, test.y, n=64)
        plots.save(grid, out / f"uncertain_{name}.png")

    print(compare(out).to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
