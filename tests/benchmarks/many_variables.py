"""Models of many named variables beside `pm.fit`: milliseconds of a step, in turns in one process.

    python tests/benchmarks/many_variables.py [--rounds 5] [--out FILE]

*slopes* is a regression each of whose hundred slopes is a variable, *vector* the same with one;
*groups* varying intercepts and slopes with an LKJ prior and thirty named variables beside them;
*networks* the hierarchical network of PyMC's tutorials, twelve groups whose weights have common
means, and *apart* the same written group by group. All data in every step, in float32 here and
float64 there.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

import pymc_bnn as bnn

RNG = np.random.default_rng(0)


def slopes(n: int = 100, vector: bool = False) -> pm.Model:
    """Return the regression."""
    x = RNG.normal(size=(700, n))
    y = x @ RNG.normal(size=n) + RNG.normal(size=700)
    with pm.Model() as model:
        if vector:
            mu = x @ pm.Normal("b", 0, 1, shape=n)
        else:
            mu = sum(pm.Normal(f"b{j}", 0, 1) * x[:, j] for j in range(n))
        pm.Normal("y", mu, pm.HalfNormal("sigma", 1), observed=y)
    return model


def groups() -> pm.Model:
    """Return varying intercepts and slopes, correlated, and effects that have names."""
    n, k, effects = 1000, 40, 30
    group, x, z = RNG.integers(0, k, n), RNG.normal(size=n), RNG.normal(size=(n, effects))
    y = RNG.normal(size=k)[group] + x + z @ RNG.normal(size=effects) * 0.3 + RNG.normal(size=n)
    with pm.Model() as model:
        scales = pm.HalfNormal.dist(1, shape=2)
        chol, _, _ = pm.LKJCholeskyCov("chol", n=2, eta=2, sd_dist=scales)
        mean = pm.Normal("mean", 0, 5, shape=2)
        of_group = mean + pm.Normal("z", 0, 1, shape=(k, 2)) @ chol.T
        mu = of_group[group, 0] + of_group[group, 1] * x
        for j in range(effects):
            mu += pm.Normal(f"effect_{j}", 0, pm.HalfNormal(f"scale_{j}", 1)) * z[:, j]
        pm.Normal("y", mu, pm.HalfNormal("sigma", 1), observed=y)
    return model


def networks() -> pm.Model:
    """Return twelve networks, one for each group, around common weights."""
    x = RNG.normal(size=(12, 50, 2))
    turned = np.arange(12)[:, None]
    labels = (x[..., 0] * np.cos(turned) + x[..., 1] * np.sin(turned) > 0).astype(int)
    with pm.Model() as model:

        def weights(name: str, *shape: int) -> Any:
            mean, sd = pm.Normal(f"{name}_mean", 0, 1, shape=shape), pm.HalfNormal(f"{name}_sd", 1)
            return mean + pm.Normal(name, 0, 1, shape=(12, *shape)) * sd

        h = pt.tanh(pt.matmul(x, weights("w1", 2, 5)))
        h = pt.tanh(pt.matmul(h, weights("w2", 5, 5)))
        out = pt.matmul(h, weights("w3", 5, 1))[..., 0]
        pm.Bernoulli("y", logit_p=out, observed=labels)
    return model


def apart() -> pm.Model:
    """Return the same, group by group."""
    with pm.Model() as model:
        shapes = {"w1": (2, 5), "w2": (5, 5), "w3": (5,)}
        means = {name: pm.Normal(f"{name}_mean", 0, 1, shape=s) for name, s in shapes.items()}
        sds = {name: pm.HalfNormal(f"{name}_sd", 1) for name in shapes}
        for group in range(12):
            x = RNG.normal(size=(50, 2))
            labels = (x[:, 0] * np.cos(group) + x[:, 1] * np.sin(group) > 0).astype(int)
            w = {
                name: means[name] + pm.Normal(f"{name}_{group}", 0, 1, shape=s) * sds[name]
                for name, s in shapes.items()
            }
            h = pt.tanh(pt.tanh(x @ w["w1"]) @ w["w2"])
            pm.Bernoulli(f"y_{group}", logit_p=h @ w["w3"], observed=labels)
    return model


MODELS = {
    "slopes": slopes,
    "vector": lambda: slopes(vector=True),
    "groups": groups,
    "networks": networks,
    "apart": apart,
}


class Ours:
    """Steps of :func:`pymc_bnn.fit`."""

    def __init__(self, model: pm.Model):
        self.model, self.few = model, 10
        self._fit(self.few)

    def _fit(self, steps: int) -> float:
        began = time.perf_counter()
        bnn.fit(self.model, steps=steps, batch_size=None, random_seed=1, progressbar=False)
        return time.perf_counter() - began

    def seconds(self, steps: int) -> float:
        """Return the seconds of so many steps, what every fit costs taken away."""
        self._fit(self.few + steps)  # schedules of this length are compiled
        return max(self._fit(self.few + steps) - self._fit(self.few), 1e-6)


class PMFit:
    """Steps of `pm.ADVI`, by one of PyTensor's backends."""

    def __init__(self, model: pm.Model, backend: str):
        self.inference = pm.ADVI(model=model, random_seed=0)
        adam = pm.adam(learning_rate=0.01)
        self.inference.fit(2, backend=backend, score=True, obj_optimizer=adam, progressbar=False)

    def seconds(self, steps: int) -> float:
        """Return the seconds of so many steps."""
        began = time.perf_counter()
        self.inference.refine(steps, progressbar=False)
        return time.perf_counter() - began


def main() -> None:
    """Measure each model in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=MODELS)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows: list[dict[str, Any]] = []
    for name in args.models:
        model, contenders, row = MODELS[name](), {}, {"model": name}
        makers = {
            "ours": lambda model=model: Ours(model),
            "pm.fit numba": lambda model=model: PMFit(model, "numba"),
            "pm.fit jax": lambda model=model: PMFit(model, "jax"),
        }
        for who, make in makers.items():
            began = time.perf_counter()
            contenders[who] = make()
            row[f"{who}: first"] = round(time.perf_counter() - began, 2)
        steps = dict.fromkeys(contenders, 100)
        for who, contender in contenders.items():
            while contender.seconds(steps[who]) < 0.3 and steps[who] < 50_000:
                steps[who] *= 3
        found: dict[str, list[float]] = {who: [] for who in contenders}
        for _ in range(args.rounds):
            for who, contender in contenders.items():
                found[who].append(contender.seconds(steps[who]) / steps[who] * 1e3)
        row |= {f"{who}: ms": round(float(np.median(ms)), 4) for who, ms in found.items()}
        best = min(np.median(ms) for who, ms in found.items() if who != "ours")
        row["ours / best"] = round(float(np.median(found["ours"]) / best), 2)
        rows.append(row)
        print(row, flush=True)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
