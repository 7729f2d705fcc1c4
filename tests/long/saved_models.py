"""Models of many kinds are written, and read in another process, where they are the same.

Facts, and PyMC's own log-density at random points, bit by bit; and so of random models. Run::

    python tests/long/saved_models.py [--random 100]
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

from pymc_bnn.saving.models import model_from_json, model_to_json
from tests.support.random_models import random_spec
from tests.support.saved_models import MODELS, density, facts, make, random_points

DRAWN = ("minibatches",)  # whose density is random
CODE = """
import json, pickle, sys
import pymc_bnn.saving.models as m
asked = pickle.load(open(sys.argv[1], "rb"))
read = {k: m.model_from_json(json.loads(w), a) for k, (w, a, _) in asked.items()}
from tests.support.saved_models import density, facts
found = {k: (facts(v), density(v, asked[k][2])) for k, v in read.items()}
pickle.dump(found, open(sys.argv[1], "wb"))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=100)
    number = parser.parse_args().random
    warnings.simplefilter("ignore")
    asked, expected, seconds, sizes = {}, {}, [], []
    rng = np.random.default_rng(0)
    made = {name: make(name) for name in MODELS}
    for i in range(number):
        spec = random_spec(lambda options: options[rng.integers(len(options))])
        try:
            made[f"random {i}"] = spec.model()
        except (ValueError, TypeError) as error:
            print(f"random {i} is no model: {type(error).__name__}")
    for name, model in made.items():
        points = random_points(model, 2)
        began = time.perf_counter()
        written, arrays = model_to_json(model)
        text = json.dumps(written, allow_nan=False)
        model_from_json(json.loads(text), arrays)
        seconds.append(time.perf_counter() - began)
        sizes.append(len(text))
        asked[name] = text, arrays, points
        expected[name] = facts(model), density(model, points)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "models")
        file.write_bytes(pickle.dumps(asked))
        subprocess.run([sys.executable, "-c", CODE, str(file)], check=True)
        found = pickle.loads(file.read_bytes())
    wrong = []
    for name, (own, densities) in expected.items():
        same = own == found[name][0]
        equal = name in DRAWN or np.array_equal(densities, found[name][1], equal_nan=True)
        if not (same and equal):
            wrong.append(name)
    finite = sum(np.isfinite(d).all() for _, d in expected.values())
    print(
        f"{len(expected)} models ({finite} with a finite density), {len(wrong)} of them other ones "
        "when read; "
        f"to write and read one: {np.median(seconds):.3f} s, {np.median(sizes):,.0f} bytes of JSON "
        f"(most {max(sizes):,})"
    )
    print("wrong:", wrong or "none")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
