"""A Bayesian LeNet5 that may decline to answer: system 5, with thresholds chosen beforehand.

    python examples/lenet5_refusal.py --out results/lenet5_refusal

LeNet5 (filters 6, 16, 120; dense 84) on MNIST, 55,000 images to train and 5,000 to choose by, as

- point: one set of weights, without a prior;
- last_layer: only the last dense layer has a posterior, the rest are points;
- honest: a posterior over all weights at KL weight 1;
- cold: the same at a KL weight below 1.

Each then meets digits, spattered digits, Kuzushiji characters and pure noise, and declines
to answer where its largest probability lies below a threshold, chosen so that a stated share of
the *validation* digits is answered. The original's threshold of 0.2 stands beside it.
"""

import argparse
import time
from functools import partial

import optax
import pandas as pd
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn import guides, plots, priors, uncertainty
from pymc_bnn.callbacks import HeldOut, Snapshots
from pymc_bnn.report import compare, make_folder, write_report

COLD = 0.03  # validation NLL 0.0246, 0.0268 at 0.1
PRIOR = priors.StudentT(nu=4, sigma=0.07)  # a standard deviation of 0.1
NETWORKS = {
    "point": (priors.Flat(), guides.Delta()),
    "last_layer": (
        {"dense2_*": priors.Normal(0, 1), "*": priors.Flat()},
        {"dense2_*": guides.MeanField(), "*": guides.Delta()},
    ),
    "honest": (PRIOR, guides.MeanField()),
    "cold": (PRIOR, guides.MeanField()),
}
ANSWERED = 0.98  # share of the validation digits that the threshold lets through
PROMISED = 0.99  # share of conformal prediction sets that hold the true class
EVERY = 400  # steps between looks at the validation images


def main() -> None:
    """Fit the versions, watch them learn, let them refuse."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/lenet5_refusal", help="folder for the results")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, help="by default all of them")
    parser.add_argument("--epochs", type=int, default=12, help="in batches of 200")
    parser.add_argument("--kl-weight", type=float, default=COLD, help="of the cold posterior")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--original", action="store_true", help="Flipout, N(0, 1), 6,000 steps")
    parser.add_argument("--quick", action="store_true", help="few images and networks: it runs")
    args = parser.parse_args()
    out = make_folder(args.out)

    train, validation, test = bnn.datasets.load_mnist(n_validation=5000)
    strange = {
        "spattered digits": bnn.datasets.load_mnist_spatter().x,
        "KMNIST": bnn.datasets.load_kmnist_images(),
        "noise": bnn.datasets.noise_images(2000, random_seed=args.seed),
    }
    steps, batch_size, draws, every = args.epochs * 275, 200, 50, EVERY
    if args.original:
        steps, batch_size = 6000, 128
    if args.quick:
        train, validation, test = (d.subset(slice(200)) for d in (train, validation, test))
        strange = {label: x[:200] for label, x in strange.items()}
        steps, every = 40, 20

    held_out, risks, tables, answered, conformal, detected = {}, {}, {}, {}, {}, {}
    for name in args.only or (["honest"] if args.quick else NETWORKS):
        prior, guide = NETWORKS[name]
        options = {"learning_rate": 0.001 if name in ("point", "last_layer") else 0.003}
        if args.original:
            options = {"optimizer": optax.adam(1e-3)}
            if name in ("honest", "cold"):
                prior, options["estimator"] = priors.Normal(0, 1), "flipout"
        with pm.Model() as model:
            x = pm.Data("x", train.x)
            logits = bnn.bayesian(bnn.networks.lenet5(), x, prior)
            pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])

        watch = HeldOut({"x": validation.x[:1000], "y": validation.y[:1000]}, draws=10)
        few = {"x": validation.x[:6]}
        snapshots = Snapshots((min(EVERY, steps // 2), steps), few, draws=50)
        began = time.perf_counter()
        fitted = bnn.fit(
            model,
            steps=steps,
            batch_size=batch_size,
            guide=guide,
            kl_weight=args.kl_weight if name == "cold" else 1.0,
            callbacks=[watch, snapshots],
            chunk_steps=every,
            random_seed=args.seed,
            **options,
        )
        seconds = time.perf_counter() - began

        predict = partial(fitted.predict, draws=draws, random_seed=args.seed)
        digits, chosen_on = predict({"x": test.x}), predict({"x": validation.x})
        foreign = {label: predict({"x": images}) for label, images in strange.items()}
        chosen = {"validation_nll": uncertainty.nlpd(chosen_on, validation.y).mean()}
        write_report(
            out / name, fitted, digits, test.y, images=test.x, seconds=seconds, extra=chosen
        )
        held_out[name] = watch.history
        risks[name] = uncertainty.risk_coverage(digits, test.y, score="probability")
        tables[name] = uncertainty.reliability(digits, test.y)
        detected[name] = uncertainty.detection_table(digits, foreign)
        threshold = uncertainty.refusal_threshold(chosen_on, ANSWERED, score="probability")
        met = {"digits": digits, **foreign}
        top = {label: pred.mean_probs.max(1) for label, pred in met.items()}
        answered[name] = pd.DataFrame(
            {
                column: {
                    k: 1 - uncertainty.refuses(pred, at, "probability").mean()
                    for k, pred in met.items()
                }
                for column, at in {"at chosen": threshold, "at 0.2": 1 - 0.2}.items()
            }
        )
        sets = uncertainty.conformal(chosen_on, validation.y, PROMISED).sets(digits)
        kept = uncertainty.conformal_coverage_interval(len(validation), len(test), PROMISED)
        conformal[name] = uncertainty.set_summary(sets, test.y)
        conformal[name]["kept_above"] = kept[0] / len(test)

        lines = {f"{ANSWERED:.0%} of validation digits": 1 - threshold, "the original": 0.2}
        ax = plots.refusal_curves(
            top, lines, answers="above", xlabel="threshold of the probability"
        )
        plots.save(ax, out / f"refusal_{name}.png")
        for step, kept in snapshots.predictions.items():
            axes = plots.predictive_bars(validation.x[:6], kept, validation.y[:6])
            plots.save(axes, out / f"held_out_{name}_{step}.png")
        if name in ("honest", "cold"):
            moments = {f"step {step:,}": kept for step, kept in snapshots.moments.items()}
            plots.save(plots.weight_posteriors(moments), out / f"weights_{name}.png")

    plots.save(plots.held_out_curves(held_out), out / "held_out.png")
    plots.save(plots.risk_coverage_curves(risks), out / "risk_coverage.png")
    plots.save(plots.reliability_diagram(tables), out / "reliability.png")
    written = {
        "answered": pd.concat(answered),
        "conformal": pd.DataFrame(conformal).T,
        "detection": pd.concat(detected),
    }
    for title, table in written.items():
        table.to_csv(out / f"{title}.csv")
        print(f"\n{title}:\n{table.to_string(float_format='{:.4f}'.format)}")
    print(compare(out).to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main()
