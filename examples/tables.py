"""A table, one configuration for all: a fit, a mixture of fits, and NUTS from where they ended.

    python examples/tables.py --data yacht.npz --splits 5 --members 8 --refine --out results/yacht

The file holds x (n, d), y (n,) and `train` and `test`, row numbers (splits, …). Integer y are
classes. A network of one layer of tanh units, one for 15 rows and 5 to 15 in all, whose weights
have learned scales; its second output is the noise, which depends on the input, but not in the
first third of the steps: it would explain away what the mean has not learned yet. For classes their
logits, under the default prior. Log-likelihoods are per point in y's own units.
"""

import argparse
import json
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pymc as pm
import pytensor.tensor as pt

import pymc_bnn as bnn
from pymc_bnn import plots, uncertainty
from pymc_bnn.priors import HalfNormal, Normal
from pymc_bnn.report import make_folder

ROWS_PER_UNIT, UNITS, DRAWS = 15, (5, 15), 500
PRIOR = Normal(sigma=HalfNormal(1.0, per="layer"))  # of a target
STEPS, TUNE = 30_000, 400


def build(x: np.ndarray, y: np.ndarray, *, constant: bool = False) -> pm.Model:
    """Return the model of a table: y of integers are classes; the noise may be the same for all."""
    classes = len(np.unique(y)) if y.dtype.kind in "iu" else 0
    units = int(np.clip(len(y) // ROWS_PER_UNIT, *UNITS))
    network = bnn.networks.mlp((x.shape[1], units, classes or 2), activation="tanh")
    with pm.Model() as model:
        out = bnn.bayesian(network, bnn.standardise("x", x), None if classes else PRIOR)
        if classes:
            pm.Categorical("y", logit_p=out, observed=y, shape=out.shape[0])
        else:
            second = model["dense2_b"][1] if constant else out[:, 1]
            unit, noise = bnn.Scale.of(y), pt.softplus(second - 1.0) + 1e-3
            pm.Normal("y", unit.mu(out[:, 0]), unit.sigma(noise), observed=y, shape=out.shape[0])
    return model


def fit(x: np.ndarray, y: np.ndarray, members: int, steps: int, seed: int):
    """Fit a table: of a target, with the same noise for all rows first."""
    options = {"members": members, "random_seed": seed}
    if y.dtype.kind in "iu":
        return bnn.fit(build(x, y), steps=steps, kl_warmup=steps // 10, **options)
    first = build(x, y, constant=True)
    first = bnn.fit(first, steps=steps // 3, kl_warmup=steps // 10, **options)
    return bnn.fit(build(x, y), steps=steps - steps // 3, kl_warmup=0, start=first, **options)


def judge(fitted, x: np.ndarray, y: np.ndarray) -> tuple[dict[str, float], tuple]:
    """Return the scores on rows that were not seen, and what the picture needs."""
    pred = fitted.predict({"x": x, "y": y}, DRAWS, random_seed=1)
    log_likelihood = float(pred.log_density.mean())
    if y.dtype.kind in "iu":
        p = pred.mean_probs
        scores = {"accuracy": float((p.argmax(axis=1) == y).mean()), "nll": -log_likelihood}
        return {**scores, "ece": uncertainty.calibration_error(p, y)}, (p, y)
    samples = pred["y"].samples
    low, high = np.quantile(samples, [0.05, 0.95], axis=0)
    mean = samples.mean(axis=0)
    inside = float(((y >= low) & (y <= high)).mean())
    rmse = float(np.sqrt(np.mean((mean - y) ** 2)))
    scores = {"rmse": rmse, "log_likelihood": log_likelihood, "coverage_90": inside}
    return scores, (y, mean, low, high)


def picture(parts: list[tuple], out: Path, name: str) -> None:
    """Draw observed against predicted with 90 % intervals, or reliability, of all splits."""
    if len(parts[0]) == 2:
        p, y = (np.concatenate(each) for each in zip(*parts, strict=True))
        table = uncertainty.reliability(p, y)
        plots.save(plots.reliability_diagram({name: table}), out / f"{name}.png")
        return
    y, mean, low, high = (np.concatenate(each) for each in zip(*parts, strict=True))
    _, ax = plt.subplots(figsize=(5.5, 5), layout="constrained")
    bars = np.stack([mean - low, high - mean]).clip(0)
    ax.errorbar(y, mean, bars, fmt="o", ms=3, lw=0.8, alpha=0.6, label="mean and 90 % interval")
    ax.axline((y.mean(), y.mean()), slope=1, color="k", lw=0.8, label="equal")
    ax.set(xlabel="observed [units of y]", ylabel="predicted [units of y]", title=name)
    ax.legend(loc="upper left")
    plots.save(ax, out / f"{name}.png")


def main() -> None:
    """Fit each split, and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="an .npz of x, y, train, test")
    parser.add_argument("--splits", type=int, default=None, help="the first so many; default all")
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--refine", action="store_true", help="NUTS from the members, too")
    parser.add_argument("--out", default="results/tables", help="folder for the results")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if not args.data.is_file():
        parser.error(f"--data: {args.data} is no file; pass an .npz of x, y, train and test")
    out, data = make_folder(args.out), np.load(args.data)
    if missing := {"x", "y", "train", "test"} - set(data):
        parser.error(f"--data: {args.data} lacks {', '.join(sorted(missing))}")
    x, y = data["x"], data["y"]
    splits = list(zip(data["train"], data["test"], strict=True))[: args.splits]
    found: dict[str, list[dict]] = {}
    parts: dict[str, list[tuple]] = {}

    def keep(name: str, fitted, test: np.ndarray, seconds: float) -> None:
        scores, part = judge(fitted, x[test], y[test])
        found.setdefault(name, []).append({**scores, "seconds": seconds})
        parts.setdefault(name, []).append(part)
        print(name, {k: round(v, 3) for k, v in found[name][-1].items()}, flush=True)

    for train, test in splits:
        began = time.perf_counter()
        fitted = fit(x[train], y[train], args.members, args.steps, args.seed)
        seconds = time.perf_counter() - began
        first = fitted.members[0] if args.members > 1 else fitted
        keep("fit", first, test, seconds / args.members)
        if args.members > 1:
            keep("members", fitted, test, seconds)
        if args.refine:
            began = time.perf_counter()
            refined = fitted.refine(chains=4, tune=TUNE, random_seed=args.seed)
            keep("refined", refined, test, seconds + time.perf_counter() - began)

    report = {"data": args.data.stem, "rows": len(y), "splits": len(splits), "kl_weight": 1.0}
    for name, rows in found.items():
        picture(parts[name], out, name)
        report[name] = {}
        for key in rows[0]:
            values = np.array([row[key] for row in rows])
            error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
            report[name][key] = [float(values.mean()), error]
        (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")
        print(name, report[name])
    print(f"written to {out}")


if __name__ == "__main__":
    main()
