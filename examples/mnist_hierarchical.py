"""MNIST with fixed and hierarchical priors, dense and convolutional: system 1, done properly.

    python examples/mnist_hierarchical.py --net conv --prior hierarchical --out results/conv_h

The four models of the PyMC3 + Lasagne original: an MLP 784-800-800-10 and a convolutional network
(32 5×5 filters, pool, 32 5×5 filters, pool, dense 256, dense 10), with tanh. The prior of every
weight and bias is Normal(0, 0.1), or Normal(0, σ) with one σ ~ HalfNormal(1) for each tensor.
50,000 images train, 10,000 are held out for choices, and 10,000 test.

With --kl-weight below 1 the posterior is cold: sharper than Bayes' rule says, and labelled so.
"""

import argparse
import time

import pymc as pm

import pymc_bnn as bnn
from pymc_bnn.report import make_folder, write_report

# Epochs, batch size and learning rate that take at most a quarter of an hour on two cores.
SETTINGS = {"mlp": (100, 500, 0.01), "conv": (40, 200, 0.005)}


def main() -> None:
    """Fit one of the four models, predict, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", choices=["mlp", "conv"], default="conv")
    parser.add_argument("--prior", choices=["fixed", "hierarchical"], default="fixed")
    parser.add_argument("--out", help="folder for the results")
    parser.add_argument("--epochs", type=int, help="passes over the training images")
    parser.add_argument("--learning-rate", type=float, help="of the posterior means")
    parser.add_argument("--kl-weight", type=float, default=1.0, help="below 1: a cold posterior")
    parser.add_argument("--estimator", default="pathwise", help="the original's; or auto, flipout")
    parser.add_argument("--validate", action="store_true", help="report on the validation images")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few images, a small network: it runs")
    args = parser.parse_args()
    out = make_folder(args.out or f"results/mnist_{args.net}_{args.prior}")
    epochs, batch_size, learning_rate = SETTINGS[args.net]
    epochs, learning_rate = args.epochs or epochs, args.learning_rate or learning_rate

    train, validation, test = bnn.datasets.load_mnist()
    if args.validate:
        test = validation
    if args.quick:
        train, test = train.subset(slice(1000)), test.subset(slice(300))
        epochs = 2

    if args.net == "mlp":
        hidden = (64, 64) if args.quick else (800, 800)
        network = bnn.networks.mlp((784, *hidden, 10), activation="tanh")
    else:
        size = {"filters": (4, 8), "dense": 32} if args.quick else {}
        network = bnn.networks.convnet((28, 28, 1), n_classes=10, **size)
    sigma = 0.1 if args.prior == "fixed" else bnn.priors.HalfNormal(1.0)
    with pm.Model() as model:
        x = pm.Data("x", train.x)
        logits = bnn.bayesian(network, x, bnn.priors.Normal(0, sigma))
        pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])

    began = time.perf_counter()
    fitted = bnn.fit(
        model,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        kl_weight=args.kl_weight,
        estimator=args.estimator,
        random_seed=args.seed,
    )
    seconds = time.perf_counter() - began

    prediction = fitted.predict({"x": test.x}, draws=100, random_seed=args.seed)
    report = write_report(
        out,
        fitted,
        prediction,
        test.y,
        images=test.x,
        seconds=seconds,
        elbo_draws=2 if args.quick else 10,
        extra={"net": args.net, "prior": args.prior, "epochs": epochs, "batch_size": batch_size},
    )
    print(
        f"{args.net}, {args.prior} prior, kl_weight {args.kl_weight:g}: accuracy "
        f"{report['accuracy']:.4f}, NLL {report['nll']:.4f}, ELBO {report['elbo']:,.0f} "
        f"({report['elbo_per_example']:.3f} per example), AUROC {report['auroc_chi_square']:.3f}, "
        f"{seconds / 60:.1f} minutes"
    )


if __name__ == "__main__":
    main()
