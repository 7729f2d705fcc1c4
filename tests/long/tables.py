"""The tables of UCI beside other methods: ``python tests/long/tables.py FOLDER yacht concrete``.

Needs ``pip install -e '.[test,bench]'``. Of each split NUTS on the model of examples/tables.py (the
first five splits) and beside it what `refine` makes of eight members, five networks of points (deep
ensembles), dropout kept in predictions, and gradient-boosted trees. A line of the log for each; run
again with the same log, it goes on where it stopped. Lengths, dropout and the trees' settings are
chosen on the last fifth of the training rows of the first split, never on test rows.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pymc as pm
import pytensor.tensor as pt
from scipy import stats
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import tables

import pymc_bnn as bnn
from tests.support.log_files import add_row, read_rows

NUTS_SPLITS, DRAWS, CHAINS = 5, 500, 2
KEYS = ["rmse", "log_likelihood", "coverage_90", "seconds", "cpu_seconds"]


def of_draws(y, log_density, samples):
    """The scores of examples/tables.py, from draws (draws, rows)."""
    low, high = np.quantile(samples, [0.05, 0.95], axis=0)
    return {
        "rmse": float(np.sqrt(np.mean((samples.mean(axis=0) - y) ** 2))),
        "log_likelihood": float(np.mean(log_density)),
        "coverage_90": float(np.mean((y >= low) & (y <= high))),
    }


def nuts(x, y, x_test, y_test):
    """NUTS on the model of examples/tables.py."""
    model = tables.build(x, y)
    with model:
        drawn = pm.sample(
            DRAWS, tune=DRAWS, chains=CHAINS, nuts_sampler="numpyro", random_seed=1,
            progressbar=False, compute_convergence_checks=False,
            nuts_sampler_kwargs={"chain_method": "vectorized"},
        )  # fmt: skip
    values = {n: v.values.reshape(-1, *v.shape[2:]) for n, v in drawn.posterior.items()}
    h = (x_test - x.mean(axis=0)) / x.std(axis=0)
    h = np.tanh(h @ values["dense1_W"] + values["dense1_b"][:, None])
    out = h @ values["dense2_W"] + values["dense2_b"][:, None]
    mean = y.mean() + y.std() * out[..., 0]
    scale = y.std() * (np.logaddexp(0, out[..., 1] - 1.0) + 1e-3)
    logp = stats.norm.logpdf(y_test, mean, scale)
    density = np.logaddexp.reduce(logp, axis=0) - np.log(len(logp))
    return of_draws(y_test, density, np.random.default_rng(1).normal(mean, scale))


def refined(x, y, x_test, y_test):
    """Eight members, and NUTS from where they ended, as in examples/tables.py."""
    fitted = tables.fit(x, y, 8, tables.STEPS, 1)
    fitted = fitted.refine(chains=4, tune=tables.TUNE, random_seed=1, progressbar=False)
    return tables.judge(fitted, x_test, y_test)[0]


def _points(x, y, x_test, y_test, dropout, members, steps):
    """Networks of points, as others train them: weight decay, and a noise that is learned."""
    network = bnn.networks.mlp((x.shape[1], 50, 2), activation="relu", dropout=dropout)
    with pm.Model() as model:
        out = bnn.bayesian(network, bnn.standardise("x", x), bnn.priors.Normal(0, 1.0))
        unit, noise = bnn.Scale.of(y), pt.softplus(out[:, 1] - 1.0) + 1e-3
        pm.Normal("y", unit.mu(out[:, 0]), unit.sigma(noise), observed=y, shape=out.shape[0])
    fitted = bnn.fit(
        model, steps=steps, members=members, guide=bnn.guides.Delta(), batch_size=100,
        random_seed=1, progressbar=False,
    )  # fmt: skip
    new = {"x": x_test, "y": y_test}
    pred = fitted.predict(new, DRAWS, mc_dropout=dropout > 0, random_seed=1)
    return of_draws(y_test, pred.log_density, pred["y"].samples)


def ensemble(x, y, x_test, y_test, steps=10_000):
    """Five networks of points, each with a noise that depends on the input."""
    return _points(x, y, x_test, y_test, 0.0, 5, steps)


def dropout(x, y, x_test, y_test, steps=20_000, share=0.05):
    """A network of points whose dropout is kept in predictions."""
    return _points(x, y, x_test, y_test, share, 1, steps)


def trees(x, y, x_test, y_test, **settings):
    """Gradient-boosted trees, of y and of the log squares of its cross-validated residuals."""
    model = HistGradientBoostingRegressor(random_state=0, **settings)
    folds = KFold(5, shuffle=True, random_state=0)
    squares = (y - cross_val_predict(model, x, y, cv=folds)) ** 2
    noise = HistGradientBoostingRegressor(random_state=0, learning_rate=0.03, max_iter=50)
    logs = np.log(squares + 1e-6 * y.var())
    level = np.log(np.mean(squares / np.exp(cross_val_predict(noise, x, logs, cv=folds))))
    scale = np.exp(0.5 * (noise.fit(x, logs).predict(x_test) + level))
    mean = model.fit(x, y).predict(x_test)
    samples = np.random.default_rng(1).normal(mean, scale, (DRAWS, len(mean)))
    return of_draws(y_test, stats.norm.logpdf(y_test, mean, scale), samples)


# What is chosen on validation rows: the settings of each method.
SETTINGS = {
    "nuts": (nuts, [{}]),
    "refined": (refined, [{}]),
    "ensemble": (ensemble, [{"steps": n} for n in (1_000, 3_000, 10_000)]),
    "dropout": (
        dropout, [{"steps": n, "share": p} for n in (5_000, 20_000) for p in (0.005, 0.05)]
    ),
    "trees": (
        trees,
        [{"learning_rate": r, "max_iter": n} for r in (0.03, 0.1) for n in (100, 500)],
    ),
}  # fmt: skip


def chosen(name, x, y):
    """The settings with the best log-likelihood of validation rows."""
    method, settings = SETTINGS[name]
    if len(settings) == 1:
        return settings[0]
    n = len(y) * 4 // 5
    scores = [method(x[:n], y[:n], x[n:], y[n:], **s)["log_likelihood"] for s in settings]
    return settings[int(np.argmax(scores))]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with yacht.npz and the others")
    parser.add_argument("names", nargs="+")
    parser.add_argument("--methods", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--log", type=Path, default=Path("tables.jsonl"))
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = read_rows(args.log)
    done = {(r["data"], r["method"], r["split"]) for r in rows}
    for data in args.names:
        file = np.load(args.folder / f"{data}.npz")
        x, y = file["x"].astype(float), file["y"].astype(float)
        first, settings = file["train"][0], {}
        for i, train in enumerate(file["train"][: args.splits]):
            for method in args.methods:
                few = method in ("nuts", "refined") and i >= NUTS_SPLITS
                if (data, method, i) in done or few:
                    continue
                if method not in settings:
                    settings[method] = chosen(method, x[first], y[first])
                parts = x[train], y[train], x[file["test"][i]], y[file["test"][i]]
                began, cpu = time.perf_counter(), time.process_time()
                found = SETTINGS[method][0](*parts, **settings[method])
                found["seconds"] = time.perf_counter() - began
                found["cpu_seconds"] = time.process_time() - cpu
                row = {"data": data, "method": method, "split": i, **found}
                rows.append(row | {"settings": settings[method]})
                add_row(args.log, rows[-1])
                print(rows[-1], flush=True)
    table = pd.DataFrame(rows).groupby(["data", "method"])[KEYS].agg(["mean", "sem", "size"])
    print(table.round(3).to_string())


if __name__ == "__main__":
    main()
