"""A Bayesian convolutional network on scikit-learn's handwritten digits: the shortest whole story.

    python examples/digits.py --out results/digits

The network's weights are PyMC random variables, whose scales are learned, too: each weight tensor
and each bias vector is Normal(0, σ) with σ ~ HalfNormal(1). Minibatch ADVI fits the posterior; the
folder then holds the figures (report.json), the predictions and the pictures.
"""

import argparse
import time

import pymc as pm

import pymc_bnn as bnn
from pymc_bnn.report import make_folder, write_report


def main() -> None:
    """Fit, predict, write the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/digits", help="folder for the results")
    parser.add_argument("--epochs", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="five epochs, to see that it runs")
    parser.add_argument("--pruning", action="store_true", help="set the least sure weights to 0")
    args = parser.parse_args()
    out = make_folder(args.out)

    # 1,437 training and 360 test images, 8×8 pixels in [0, 1]; the split is stratified.
    train, test = bnn.datasets.load_digits(test_size=0.2, random_seed=0)

    # A network is any callable made of pytensor-ml layers; nothing is Bayesian yet.
    network = bnn.networks.convnet(
        (8, 8, 1),
        n_classes=train.n_classes,
        filters=(16, 32),
        kernel_size=3,
        padding="same",
        dense=None,
        activation="relu",
    )

    # An ordinary PyMC model: `bayesian` makes the network's parameters random variables.
    prior = bnn.priors.Normal(0, sigma=bnn.priors.HalfNormal(1.0))
    with pm.Model() as model:
        x = pm.Data("x", train.x)
        logits = bnn.bayesian(network, x, prior)
        pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])

    began = time.perf_counter()
    fitted = bnn.fit(
        model,
        epochs=5 if args.quick else args.epochs,
        batch_size=64,
        learning_rate=0.02,
        random_seed=args.seed,
    )
    seconds = time.perf_counter() - began

    # How sure is each answer? 100 posterior draws, one label sampled from each: votes.
    prediction = fitted.predict({"x": test.x}, draws=100, random_seed=args.seed)
    report = write_report(
        out, fitted, prediction, test.y, images=test.x, seconds=seconds, elbo_draws=50
    )

    if args.pruning:  # how many of the weights do the same?
        table = bnn.pruning.pruning_table(fitted, {"x": test.x}, test.y, random_seed=args.seed)
        table.to_csv(out / "pruning.csv")
        bnn.plots.save(bnn.plots.pruning_curves(table), out / "pruning.png")
        print(table.round(4).to_string())

    print(f"accuracy          {report['accuracy']:.4f} on {len(test)} test images")
    print(f"ELBO per example  {report['elbo_per_example']:.3f} nats at kl_weight 1")
    print(
        f"entropy [bits]    {report['entropy_bits_correct']:.2f} when right, "
        f"{report['entropy_bits_errors']:.2f} when wrong"
    )
    print(f"finding errors    AUROC {report['auroc_chi_square']:.3f} by the votes' chi-square")
    print(f"fit               {seconds:.0f} s, {report['steps_per_second']:.0f} steps/s")
    print(f"written to        {out}")


if __name__ == "__main__":
    main()
