"""Predict random models in batches, whole and by PyTensor, and compare.

``python tests/long/search_predictions.py 300 0``: so many models, from this seed on.
"""

import random
import sys
import traceback
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.random_predictions import LAWS, STEPS, check


def random_case(rng):
    return {
        "law": rng.choice(LAWS),
        "n": rng.choice([3, 10, 17, 300]),
        "columns": rng.choice([None, 1, 3]),
        "dtype": rng.choice(["float64", "float32", "int64"]),
        "steps": [
            [rng.choice(sorted(STEPS)) for _ in range(rng.randint(1, 3))]
            for _ in range(rng.randint(4, 8))
        ],
        "likelihood": rng.choice(["as it is", "tanh", "over rows", "running"]),
        "batch_size": rng.choice([1, 2, 7, 100]),
        "new": rng.choice([1, 2, 5, 23]),
    }


if __name__ == "__main__":
    count, seed = (int(a) for a in (*sys.argv[1:], "300", "0")[:2])
    warnings.simplefilter("error")
    failed = refused = 0
    for number in range(seed, seed + count):
        case = random_case(random.Random(number))
        try:
            check(case)
        except Exception as error:
            if "leave such a deterministic out" in str(error):  # a length computed from the rows'
                refused += 1
                continue
            failed += 1
            print(number, case, traceback.format_exc(limit=-2), sep="\n", flush=True)
    print(f"{count} models, {refused} refused, {failed} failed")
    sys.exit(failed > 0)
