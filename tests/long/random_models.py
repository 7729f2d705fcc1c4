"""Fits random small PyMC models and compares them with PyMC: python tests/long/random_models.py.

A line of the log for each model; run again with the same log, it goes on where it stopped.
"""

import argparse
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first model")
    parser.add_argument("--part", default="1/1", help="K/N: the K-th of N parts, one a process")
    parser.add_argument("--log", type=Path, default=Path("random_models.jsonl"))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    from tests.support.log_files import add_row, read_rows
    from tests.support.random_models import check, random_spec

    results = read_rows(arguments.log)
    done = {r["model"] for r in results if r["seed"] == arguments.seed}
    part, parts = (int(k) for k in arguments.part.split("/"))
    started = time.perf_counter()
    for i in range(arguments.first + part - 1, arguments.models, parts):
        if i in done:
            continue
        spec = random_spec(random.Random(f"{arguments.seed}/{i}").choice)
        try:
            answer = check(spec)
            result = {"result": "right" if answer == "right" else "refused", "why": answer}
        except Exception as error:
            kind = "wrong" if isinstance(error, AssertionError) else "crashed"
            why = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
            result = {"result": kind, "why": why, "spec": spec.choices}
            print(f"model {i} {kind}: {why}\n  {spec}", flush=True)
            if kind == "crashed":
                result["trace"] = traceback.format_exc()[-1500:]
        results.append({"seed": arguments.seed, "model": i, **result})
        add_row(arguments.log, results[-1])
        if len(results) % 50 == 0:
            jax.clear_caches()
            print(f"{len(results)} models, {time.perf_counter() - started:.0f} s", flush=True)
    counts = Counter(r["result"] for r in results if r["seed"] == arguments.seed)
    print(f"{sum(counts.values())} models: {dict(counts)}")
    for why, count in Counter(r["why"] for r in results if r["result"] == "refused").most_common():
        print(f"{count:5d}  {why}")
    return int(bool(counts["wrong"] or counts["crashed"]))


if __name__ == "__main__":
    sys.exit(main())
