"""What kind of uncertainty is it? MNIST, clean and spattered: system 4, with intervals.

    python examples/corrupted_mnist.py --out results/corrupted_mnist

A small network (8 filters 5×5, ReLU, max-pooling 6×6, dense 10) in the versions of the TensorFlow
Probability original:

- point: one set of weights. Its label alone is the original's deterministic version, its
  probabilities are the probabilistic one, which knows how noisy labels are (aleatoric uncertainty).
  Both maximise the same likelihood, so that one fit serves for both;
- honest: a posterior over the weights as well (epistemic uncertainty), at KL weight 1, with a prior
  N(0, 1) on the convolution and spike and slab ½ N(0, 1) + ½ N(0, 10²) on the dense layer;
- cold: the same at a KL weight below 1.

Three findings to reproduce, each with an interval: predictions are less sure where they are wrong;
less sure of spattered digits than of clean ones; and the rise is larger where they are right (as a
factor; in bits the two rises are too close to tell).
"""

import argparse
import time

import numpy as np
import optax
import pandas as pd
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn import guides, plots, priors, uncertainty
from pymc_bnn.report import compare, make_folder, write_report

COLD = 0.03  # validation NLL 0.0497 at 0.3, 0.0516 at 0.1, 0.0489 at 0.03, all within its error
SPIKE_AND_SLAB = priors.spike_and_slab(slab=10.0, spike=1.0)
BAYESIAN = {"conv1_*": priors.Normal(0, 1), "dense1_*": SPIKE_AND_SLAB}
NETWORKS = ("point", "honest", "cold")


def findings(clean: pd.DataFrame, spattered: pd.DataFrame) -> pd.DataFrame:
    """Compare mean entropies, in bits and as factors, with bootstrap intervals over the images."""

    def gap(bits: np.ndarray, right: np.ndarray) -> float:
        return bits[~right].mean() - bits[right].mean()

    def rises(c: np.ndarray, s: np.ndarray, c_right: np.ndarray, s_right: np.ndarray) -> float:
        right = s[s_right].mean() - c[c_right].mean()
        return right - (s[~s_right].mean() - c[~c_right].mean())

    def factors(c: np.ndarray, s: np.ndarray, c_right: np.ndarray, s_right: np.ndarray) -> float:
        right = s[s_right].mean() / c[c_right].mean()
        return right / (s[~s_right].mean() / c[~c_right].mean())

    bits = [frame["entropy_bits"].to_numpy() for frame in (clean, spattered)]
    right = [frame["correct"].to_numpy() for frame in (clean, spattered)]
    found = {
        "wrong - right, clean": uncertainty.bootstrap_interval(gap, bits[0], right[0]),
        "wrong - right, spattered": uncertainty.bootstrap_interval(gap, bits[1], right[1]),
        "spattered - clean": uncertainty.bootstrap_interval(np.mean, bits[1] - bits[0]),
        "rise when right - rise when wrong": uncertainty.bootstrap_interval(rises, *bits, *right),
        "factor when right / when wrong": uncertainty.bootstrap_interval(factors, *bits, *right),
    }
    return pd.DataFrame(found, index=["value", "low", "high"]).T


def main() -> None:
    """Fit the versions, predict clean and spattered digits, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/corrupted_mnist", help="folder for the results")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, help="by default all of them")
    parser.add_argument("--epochs", type=int, default=30, help="in batches of 250")
    parser.add_argument("--kl-weight", type=float, default=COLD, help="of the cold posterior")
    parser.add_argument("--validate", action="store_true", help="score validation images only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--original", action="store_true", help="RMSprop, 5 and 10 epochs")
    parser.add_argument("--quick", action="store_true", help="few images and networks: it runs")
    args = parser.parse_args()
    out = make_folder(args.out)

    train, validation, test = bnn.datasets.load_mnist(scale=255, n_validation=5000)
    spattered = bnn.datasets.load_mnist_spatter(scale=255)
    digits = {"clean": validation} if args.validate else {"clean": test, "spattered": spattered}
    draws, batch_size = 200, 250
    if args.quick:
        train, draws = train.subset(slice(1000)), 50
        digits = {label: data.subset(slice(300)) for label, data in digits.items()}

    scores, tables, found = {}, {}, {}
    for name in args.only or (["point", "honest"] if args.quick else NETWORKS):
        prior, guide = (
            (priors.Flat(), guides.Delta()) if name == "point" else (BAYESIAN, guides.MeanField())
        )
        options = {"epochs": 2 if args.quick else args.epochs}
        if args.original:
            options = {"epochs": 5 if name == "point" else 10, "optimizer": optax.rmsprop(1e-3)}
        network = bnn.networks.convnet(
            (28, 28, 1), 10, filters=8, pool=6, dense=None, activation="relu", conv_bias=True
        )
        with pm.Model() as model:
            x = pm.Data("x", 1 - train.x)  # ink is 0, paper is 1, as in the original
            logits = bnn.bayesian(network, x, prior)
            pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])

        began = time.perf_counter()
        fitted = bnn.fit(
            model,
            batch_size=batch_size,
            guide=guide,
            kl_weight=args.kl_weight if name == "cold" else 1.0,
            random_seed=args.seed,
            **options,
        )
        seconds = time.perf_counter() - began

        frames, preds = {}, {}
        for label, data in digits.items():
            preds[label] = pred = fitted.predict(
                {"x": 1 - data.x}, draws=draws, random_seed=args.seed
            )
            frames[label] = uncertainty.summary(pred, data.y)
            scores[name, label] = uncertainty.evaluate(pred, data.y)
        clean = digits["clean"]
        write_report(out / name, fitted, preds["clean"], clean.y, images=clean.x, seconds=seconds)
        if args.validate:
            continue
        tables[f"{name}, spattered"] = uncertainty.reliability(pred, data.y)
        hard = frames["spattered"]["entropy_bits"].to_numpy().argsort()[::-1][:6]
        for label, data in digits.items():
            axes = plots.probability_intervals(
                data.x[hard], preds[label].probs[:, hard], data.y[hard]
            )
            plots.save(axes, out / f"intervals_{name}_{label}.png")
        plots.save(plots.entropy_histograms(frames), out / f"entropy_{name}.png")
        found[name] = findings(frames["clean"], frames["spattered"])

    print(compare(out).to_string(float_format="{:.4f}".format))
    if args.validate:
        return
    for title, table in {"scores": pd.concat(scores), "findings": pd.concat(found)}.items():
        table.to_csv(out / f"{title}.csv")
        print(f"\n{title}, with 95 % intervals (entropies in bits):")
        print(table.to_string(float_format="{:.4f}".format))
    plots.save(plots.reliability_diagram(tables), out / "reliability.png")
    plots.save(plots.mixture_density(0.5, 10.0, 1.0), out / "spike_and_slab.png")


if __name__ == "__main__":
    main()
