"""Models that were fitted before give the numbers of new ones: python tests/long/used_models.py.

The twenty of the suite, and random ones (--models 60 --seed 0). Each is fitted, predicted from and
drawn from; then with another seed, and with its data in another order by `pm.set_data`: the same
bits as of a model that is built for it.
"""

import argparse
import random
import sys
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))


def numbers(model, seed, batch_size):
    """A short fit and the parameters it ends with; None and the reason where it is refused."""
    import pymc_bnn as bnn
    from tests.support.random_models import refusal

    options = {"batch_size": batch_size, "random_seed": seed, "progressbar": False}
    try:
        fitted = bnn.fit(model, steps=3, **options)
    except Exception as error:
        if refusal(error) is None:
            raise
        return None, refusal(error)
    return fitted, {f"{k}/{role}": v for k, own in fitted.params.items() for role, v in own.items()}


def same(a, b):
    """Whether both are the same numbers, or the same refusal."""
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k], equal_nan=True) for k in a)


def turn(model):
    """Set all data that have a row for each example in another order."""
    import pymc as pm

    values = {v.name: v.get_value() for v in model.data_vars}
    pm.set_data({k: v[::-1].copy() for k, v in values.items() if v.ndim}, model)


def wrong(make, batch_size):
    """What of a model is wrong after use; empty if nothing is."""
    used = make()
    fitted, _ = numbers(used, 1, batch_size)
    if fitted is not None:
        fitted.sample(2, random_seed=1)
        if fitted.problem.for_predictions.n_rows is not None:
            fitted.predict(draws=2, random_seed=1)
    found = []
    if not same(numbers(used, 2, batch_size)[1], numbers(make(), 2, batch_size)[1]):
        found.append("another seed")
    other = make()
    turn(other)
    turn(used)
    if not same(numbers(used, 2, batch_size)[1], numbers(other, 2, batch_size)[1]):
        found.append("other data")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore")

    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    from tests.support.random_models import random_spec
    from tests.support.suite import MODELS

    cases = {name: (make, "auto") for name, make in MODELS.items()}
    for i in range(args.models):
        spec = random_spec(random.Random(f"{args.seed}/{i}").choice)
        cases[f"random {i}"] = spec.model, spec.choices["batch_size"]
    failed = 0
    for i, (name, case) in enumerate(cases.items()):
        found = wrong(*case)
        failed += bool(found)
        if found:
            print(f"{name}: {', '.join(found)}", flush=True)
        if i % 20 == 19:
            jax.clear_caches()
            print(f"{i + 1} models", flush=True)
    print(f"{len(cases)} models, {failed} wrong")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
