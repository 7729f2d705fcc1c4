"""How costs grow: with variables, layers, rows, batches, width, classes, and draws of predictions.

    python tests/benchmarks/growth.py --out results/growth [--only variables layers …] [--quick]

A new process for each size. Tables have the exponent from one size to the next, 1 where the cost
is proportional, and the peak of memory beyond that of the imports; a picture has a line at 1.
*First* is the first fit of ten steps beside the imports, *second* one of the same model with
another seed, *rebuilt* one of a model that was written anew.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {
    "variables": [10, 30, 100, 300, 1000],
    "layers": [2, 8, 32],
    "rows": [10**k for k in range(3, 8)],
    "streamed": [10**k for k in range(3, 8)],
    "batch": [64, 256, 1024, 4096, 16384],
    "width": [10**k for k in range(4, 9)],
    "classes": [10, 100, 1000, 10_000, 100_000],
    "draws": [10, 100, 1000],
    "examples": [10**3, 10**4, 10**5, 10**6],
}
COLUMN = {
    "draws": "draws of 10,000 rows",
    "examples": "rows, 20 draws",
    "width": "weights",
    "rows": "rows held",
    "streamed": "rows streamed",
}


def table(n: int, columns: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of a regression."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, columns)).astype("float32")
    return x, np.tanh(x @ rng.normal(size=columns)).astype("float32")


def network(sizes: tuple[int, ...], x: np.ndarray, y: np.ndarray) -> Any:
    """Return a model with a network, of a number or of classes."""
    import pymc as pm

    import pymc_bnn as bnn

    with pm.Model() as model:
        out = bnn.bayesian(bnn.networks.mlp(sizes), pm.Data("x", x))
        if y.dtype.kind == "i":
            pm.Categorical("y", logit_p=out, observed=y, shape=out.shape[0])
        else:
            sigma = pm.HalfNormal("sigma", 1)
            pm.Normal("y", out[:, 0], sigma, observed=y, shape=out.shape[0])
    return model


def scalars(n: int) -> Any:
    """Return a regression each of whose slopes is a variable of its own."""
    import pymc as pm

    x, y = table(700, n)
    with pm.Model() as model:
        mu = sum(pm.Normal(f"b{j}", 0, 1) * x[:, j] for j in range(n))
        pm.Normal("y", mu, pm.HalfNormal("sigma", 1), observed=y)
    return model


def build(part: str, size: int) -> tuple[Any, dict[str, Any]]:
    """Return the model of a size, and options of its fit."""
    if part == "variables":
        return scalars(size), {}
    if part == "layers":
        return network((8, *[50] * size, 1), *table(700)), {}
    if part in ("rows", "draws", "examples"):
        return network((8, 50, 1), *table(size if part == "rows" else 1000)), {"batch_size": 256}
    if part == "streamed":
        folder = tempfile.mkdtemp()
        x = np.memmap(f"{folder}/x", "float32", "w+", shape=(size, 8))
        x[:] = 1.0

        class Batches:
            def __iter__(self) -> Any:
                for start in range(0, size, 256):
                    part = np.asarray(x[start : start + 256])
                    yield {"x": part, "y": part[:, 0]}

        return network((8, 50, 1), *table(20)), {
            "data": Batches(), "total_size": size, "batch_size": 256
        }  # fmt: skip
    if part == "batch":
        return network((8, 50, 1), *table(20_000)), {"batch_size": size}
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 100)).astype("float32")
    if part == "width":
        side = int((size + 110**2 / 4) ** 0.5 - 55)  # 100·w + w² + 10·w weights
        return network((100, side, side, 10), x, rng.integers(0, 10, 1000)), {"batch_size": 256}
    return network((100, 50, size), x, rng.integers(0, size, 1000)), {"batch_size": 256}


def timed(function: Any) -> tuple[float, Any]:
    """Return the seconds of a call, and what it returned."""
    began = time.perf_counter()
    result = function()
    return time.perf_counter() - began, result


def measure(part: str, size: int, quick: bool) -> dict[str, Any]:
    """Measure one size, in a process of its own."""
    import pymc_bnn as bnn

    warnings.simplefilter("ignore")
    fit = bnn.fit  # imported with all that it needs
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, options = build(part, size)

    def run(steps: int, seed: int = 1, of: Any = None, **more: Any) -> Any:
        quiet = {"progressbar": False, "random_seed": seed, **more}
        return fit(model if of is None else of, steps=steps, **quiet, **options)

    row: dict[str, Any] = {"size": size}
    row["first_s"], fitted = timed(lambda: run(10))
    row["second_s"], _ = timed(lambda: run(10, 2))
    if part in ("variables", "layers"):
        rebuilt, _ = build(part, size)
        row["rebuilt_s"], _ = timed(lambda: run(10, 3, rebuilt))
    if part in ("draws", "examples"):
        rows, draws = (10_000, size) if part == "draws" else (size, 20)
        new = {"x": table(rows)[0]}
        fitted.predict(new, draws=2, random_seed=1)
        row["predict_s"], _ = timed(lambda: fitted.predict(new, draws=draws, random_seed=1))
    else:
        row["step_ms"] = step_ms(run, quick)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {**row, "peak_mib": (peak - memory) / 2**10}


class Clock:
    """Notes when so many steps are done, and stops the fit after some seconds."""

    def __init__(self, seconds: float):
        self.seconds, self.seen = seconds, []

    def on_chunk(self, state: Any, info: Any) -> bool:
        """Note time and steps."""
        self.seen.append((time.perf_counter(), info.step))
        return self.seen[-1][0] - self.seen[0][0] > self.seconds

    @property
    def of_a_step(self) -> float:
        """Seconds."""
        (began, first), (ended, last) = self.seen[0], self.seen[-1]
        return (ended - began) / max(last - first, 1)


def step_ms(run: Any, quick: bool) -> float:
    """Return the milliseconds of a step, between two looks from Python that are far apart."""

    def look(every: int, seconds: float) -> float:
        clock = Clock(seconds)
        run(100_000, chunk_steps=every, callbacks=[clock])
        return clock.of_a_step

    took, every = look(1, 0.3), 1
    while took * every < 0.2 and every < 4000:  # else it is the looking that takes time
        every *= 16
        took = look(every, 0.3 if quick else 3.0)
    return took * 1e3


def exponents(rows: list[dict[str, Any]], column: str) -> list[float]:
    """Return how the cost grows from each size to the next."""
    pairs = pairwise(rows)
    return [float(np.log(b[column] / a[column]) / np.log(b["size"] / a["size"])) for a, b in pairs]


def show(part: str, rows: list[dict[str, Any]]) -> str:
    """Return a table in Markdown."""
    columns = [c for c in rows[0] if c != "size"]
    main = "predict_s" if "predict_s" in columns else "step_ms"
    lines = [f"| {COLUMN.get(part, part)} | " + " | ".join(columns) + f" | exponent of {main} |"]
    lines.append("|---" * (len(columns) + 2) + "|")
    growth = [None, *exponents(rows, main)]
    for row, own in zip(rows, growth, strict=True):
        cells = " | ".join(f"{row[c]:.3g}" for c in columns)
        lines.append(f"| {row['size']:,} | {cells} | {'' if own is None else f'{own:.2f}'} |")
    return "\n".join(lines)


def picture(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw the cost by size, each divided by its cost at the smallest, and a line at 1."""
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    ends = [1.0]
    for part, rows in found.items():
        main = "predict_s" if "predict_s" in rows[0] else "step_ms"
        sizes = [row["size"] / rows[0]["size"] for row in rows]
        axes.plot(sizes, [row[main] / rows[0][main] for row in rows], "o-", label=part)
        ends.append(sizes[-1])
    axes.plot([1, max(ends)], [1, max(ends)], "k:", label="exponent 1")
    axes.set(
        xscale="log", yscale="log", xlabel="size / smallest", ylabel="cost / that of the smallest"
    )
    fig.legend(loc="outside right upper")
    fig.savefig(path, dpi=120)
    plt.close(fig)


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("results/growth"))
    parser.add_argument("--only", nargs="*", default=list(SIZES), choices=SIZES)
    parser.add_argument(
        "--quick", action="store_true", help="two sizes of each, few steps: it runs"
    )
    parser.add_argument("--case", help="a part and a size: one process's share")
    args = parser.parse_args()
    if args.case:
        part, size = args.case.split()
        print(json.dumps(measure(part, int(size), args.quick)))
        return
    args.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for part in args.only:
        rows = []
        for size in SIZES[part][: 2 if args.quick else None]:
            own = [sys.executable, __file__, "--case", f"{part} {size}", *["--quick"] * args.quick]
            run = subprocess.run(own, capture_output=True, text=True)
            if run.returncode:
                print(f"{part} {size}: {run.stderr.strip().splitlines()[-1][:300]}", flush=True)
                continue
            rows.append(json.loads(run.stdout.strip().splitlines()[-1]))
        if rows:
            found[part] = rows
            print(show(part, rows), "\n", flush=True)
            (args.out / "growth.json").write_text(json.dumps(found, indent=1) + "\n")
    picture(found, args.out / "growth.png")


if __name__ == "__main__":
    main()
