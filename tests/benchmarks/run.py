"""The benchmark: trains, predicts and compiles beside other libraries; prints tables, writes JSON.

    python tests/benchmarks/run.py --out results/benchmarks --trainer-env ~/.cache/trainer-env

See README.md beside this file for what is compared, and how it is kept fair.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from contenders import FLOOR, STEPS
from machine import describe
from predictions import prediction_table, time_predictions
from pymc_extras_trainer import HOW_TO, environment
from startup import compile_table, import_table, time_compile, time_imports
from steps import Setting, steps_table, time_steps
from targets import targets_table
from time_to_result import RECIPES, result_table, time_to_result
from workloads import WORKLOADS, prepare

PREDICTED = ("mlp", "conv")
PARTS = ("imports", "compile", "steps", "predict", "time_to_result")


def main() -> None:
    """Run the parts that are asked for."""
    args = _arguments()
    out = Path(args.out)
    logs = out / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    quick = args.quick
    rounds = args.rounds or (2 if quick else 5)
    round_s = args.seconds or (0.3 if quick else 2.5)
    contenders = [c for c in STEPS if not args.contenders or c.name in (FLOOR, *args.contenders)]
    parts = args.only or PARTS
    record: dict[str, Any] = {"machine": describe(None)}
    backend = record["machine"]["jax"].get("backend", "none")
    trainer, missing = None, HOW_TO
    if args.trainer_env:
        try:
            trainer = environment(Path(args.trainer_env), backend == "gpu")
        except (OSError, subprocess.CalledProcessError) as error:
            missing = f"its environment could not be made: {error}"
    if trainer:
        record["machine"] = describe(trainer)
    record["settings"] = {"rounds": rounds, "round_s": round_s, "quick": quick}

    with tempfile.TemporaryDirectory() as folder:
        workloads = [WORKLOADS[name] for name in args.workloads]
        sets = {w.data for w in workloads} if set(parts) != {"imports"} else set()
        record["data"] = prepare(Path(folder), sets, args.synthetic)

        def data(name: str) -> Path:
            return Path(folder, f"{WORKLOADS[name].data}.npz")

        def save() -> None:
            text = json.dumps(_plain(record), indent=1, allow_nan=False)
            (out / "benchmarks.json").write_text(text + "\n")

        def done(title: str, table: pd.DataFrame) -> None:
            save()
            _show(title, table)

        if "imports" in parts:
            record["imports"] = time_imports(rounds)
            done("Imports [s]", import_table(record["imports"]))
        if "compile" in parts:
            record["compile"] = {}
            for w in workloads:
                record["compile"][w.name] = time_compile(w, data(w.name), logs)
                save()
            _show("First and second fit", compile_table(record["compile"]))
        if "steps" in parts:
            record["steps"] = {}
            others = {"pymc_extras_trainer": trainer}
            for w in workloads:
                file = data(w.name)
                setting = Setting(file, logs, others, missing, backend, rounds, round_s)
                results = time_steps(w, contenders, setting)
                record["steps"][w.name] = results
                done(f"{w.title}, batch {w.batch_size}: steps", steps_table(results))
        if "predict" in parts:
            record["predict"] = {}
            draws, longest_s = (4, 5.0) if quick else (args.draws, args.longest)
            for w in workloads:
                if w.name in PREDICTED:
                    results = time_predictions(w, data(w.name), logs, rounds, draws, longest_s)
                    record["predict"][w.name] = results
                    title = f"{w.title}: {draws} draws × 10,000 images"
                    done(title, prediction_table(results))
        if "time_to_result" in parts:
            record["time_to_result"] = {}
            for name in [w.name for w in workloads if w.name in RECIPES]:
                recipe, visits, draws = RECIPES[name], 3, 50
                if quick:
                    recipe = replace(recipe, epochs=1, batch_size=5000, looks_per_epoch=1)
                    visits, draws = 2, 2
                results = time_to_result(name, data(name), logs, recipe, visits, draws)
                record["time_to_result"][name] = results
                done(f"{WORKLOADS[name].title}: time to result", result_table(results))
        table = targets_table(record)
        record["targets"] = table.to_dict("records")
        done("Targets", table.set_index("what") if len(table) else table)
    if quick:
        print("Made with --quick: a test of the benchmark, no measurement.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/benchmarks", help="folder for JSON and logs")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts; by default all")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    names = [c.name for c in STEPS]
    parser.add_argument(
        "--contenders", nargs="+", choices=names, metavar="NAME", help=f"of the steps: {names}"
    )
    parser.add_argument("--rounds", type=int, help="by default 5")
    parser.add_argument("--seconds", type=float, help="of a contender in a round; by default 2.5")
    parser.add_argument("--draws", type=int, default=100, help="of the predictions")
    parser.add_argument(
        "--longest", type=float, default=60.0, help="seconds of one prediction, above: fewer draws"
    )
    parser.add_argument("--trainer-env", help="folder for pymc-extras' own environment")
    parser.add_argument("--synthetic", action="store_true", help="random images instead of MNIST")
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    args = parser.parse_args()
    for name in ("rounds", "seconds", "draws", "longest"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            parser.error(f"--{name} must be above 0, got {value}; leave it out for the default")
    return args


def _plain(value: Any) -> Any:
    """Return it with null for what is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _show(title: str, table: pd.DataFrame) -> None:
    """Print a table, and its long columns as notes below."""
    notes = [
        f"  {name}: {text}"
        for column in ("how", "reason")
        if column in table
        for name, text in table.pop(column).items()
        if text
    ]
    print(f"\n{title}")
    if not len(table):
        print("none for the parts that ran")
        return
    print(table.to_string(float_format=_number, na_rep="–"))
    for note in notes:
        print(note)
    sys.stdout.flush()


def _number(value: float) -> str:
    """Write four digits, and larger numbers in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


if __name__ == "__main__":
    main()
