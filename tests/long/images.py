"""MNIST under the defaults: prior, estimator, learning rates and batches as `fit` has them.

    python tests/long/images.py [--nets lenet5 …] [--ways fit …] [--epochs 20] [--log FILE]

Of each network one fit, five members and ``kl_weight="auto"``, each of so many visits of 55,000
images; `--epochs 0` asks the convergence test to end the fit instead (hours). *fixed* is the
convolutional network under N(0, 0.1), as system 1 had it. Judged on the 10,000 test images, 50
draws. One line of JSON for each goes to --log, and what is in it is not run again.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import pandas as pd
import pymc as pm

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from pymc_bnn import uncertainty
from tests.support.log_files import add_row, read_rows

NETS = {
    "lenet5": lambda: (bnn.networks.lenet5(), {}),
    "conv": lambda: (bnn.networks.convnet((28, 28, 1), n_classes=10), {}),
    "fixed": lambda: (
        bnn.networks.convnet((28, 28, 1), n_classes=10),
        {"prior": bnn.priors.Normal(0, 0.1)},
    ),
    "mlp": lambda: (bnn.networks.mlp((784, 400, 400, 10)), {}),
}
WAYS = {"fit": {}, "members": {"members": 5}, "auto": {"kl_weight": "auto"}}


def measured(name, way, epochs):
    """Fit and judge: a row of figures."""
    train, _, test = bnn.datasets.load_mnist(n_validation=5000)
    network, options = NETS[name]()
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", train.x), **options)
        pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])
    began = time.perf_counter()
    length = {"epochs": epochs} if epochs else {}
    fitted = bnn.fit(model, random_seed=1, progressbar=False, **length, **WAYS[way])
    seconds = time.perf_counter() - began
    predicted = fitted.predict({"x": test.x}, draws=50, random_seed=1)
    elbo = fitted.elbo(draws=2, random_seed=1)
    return {
        "net": name, "way": way, "epochs": epochs,
        "accuracy": float((predicted.mean_probs.argmax(1) == test.y).mean()),
        "nll": float(uncertainty.nlpd(predicted, test.y).mean()),
        "ece": float(uncertainty.calibration_error(predicted, test.y)),
        "elbo": elbo["elbo"] / len(train), "kl_weight": float(fitted.kl_weight),
        "minutes": round(seconds / 60, 1),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=NETS)
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--log", type=Path, default=Path("images.jsonl"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = read_rows(args.log)
    done = {(r["net"], r["way"], r["epochs"]) for r in rows}
    for way in args.ways:
        for name in args.nets:
            if (name, way, args.epochs) in done:
                continue
            rows.append(measured(name, way, args.epochs))
            add_row(args.log, rows[-1])
            print(rows[-1], flush=True)
    print(pd.DataFrame(rows).round(4).to_string())


if __name__ == "__main__":
    main()
