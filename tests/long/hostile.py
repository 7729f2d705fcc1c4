"""Arrays, names, seeds and sizes that nobody expects: right numbers, or one clear error.

    python tests/long/hostile.py [--count 2000] [--fits 40] [--seed 0] [--memory 6]

New data of random types, layouts, owners (lists, pandas, xarray, masked), lengths (0, 1, …) and
shapes go to a prediction, which has to be that of the same numbers as plain float64, or an error
that says `argument` must …, got …; … in one line. Models are fitted whose names, labels, columns or
numbers are odd: one class, a million, a constant column, 1e30, denormals, one row. Huge `draws` and
odd seeds. What PyMC itself refuses to write a model of is counted apart. The process may have no
more than so many GiB of addresses beyond what it has, and each case two minutes. Printed: what was
tried and how it ended; exit code 1 if anything ended otherwise.
"""

import argparse
import re
import resource
import signal
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pymc as pm

sys.path.insert(0, str(Path(__file__).parents[2]))

import pymc_bnn as bnn
from tests.support.hostile_inputs import EXTREMES, laid_out, numbers, owned

QUIET = {"random_seed": 0, "progressbar": False}
CLEAR = re.compile(r"^`.*` must .*, got .*; .*", re.DOTALL)
MOST_S, MOST_LINES, MOST_LENGTH = 120, 12, 1500


def late(*_):
    raise TimeoutError(f"more than {MOST_S} s")


def fault_of(error):
    """Return what is wrong with an error."""
    text = str(error)
    if isinstance(error, bnn.NonFiniteError):
        fine = len(text.splitlines()) <= MOST_LINES
    else:
        fine = isinstance(error, ValueError | TypeError) and CLEAR.match(text)
        fine = fine and len(text) <= MOST_LENGTH
    return None if fine else f"{type(error).__name__}: {text[:300]}"


class NotWritten(Exception):
    """PyMC itself refuses the model."""


def by_pymc(write):
    """Tell apart what PyMC refuses before this package sees a model."""

    def written(*args, **options):
        try:
            return write(*args, **options)
        except Exception as error:
            raise NotWritten(f"{type(error).__name__}: {error}"[:200]) from error

    return written


@by_pymc
def regression(x, y, names=("x", "w", "y"), sigma=1.0):
    with pm.Model() as model:
        w = pm.Normal(names[1], 0, 1, shape=np.shape(x)[1])
        pm.Normal(names[2], pm.Data(names[0], x) @ w, sigma, observed=y)
    return model


@by_pymc
def classes(x, y, k):
    with pm.Model() as model:
        w = pm.Normal("w", 0, 1, shape=(x.shape[1], k))
        pm.Categorical("y", logit_p=pm.Data("x", x) @ w, observed=y)
    return model


def new_data(rng, fitted):
    """Return what a prediction of odd new data lacks; None where it is right or refused."""
    n = int(rng.choice([0, 1, 2, 7]))
    shape = [(n, 3), (n, 3), (n, 3), (n, 3), (n, 2), (n,), (n, 3, 1), ()][int(rng.integers(8))]
    array = numbers(rng, shape)
    if rng.uniform() < 0.1 and array.size:
        array = array.astype(float)
        array.flat[0] = rng.choice(EXTREMES)
    raw, whole = owned(rng, laid_out(rng, array) if array.ndim else array)
    kind = f"{type(raw).__name__} of {array.dtype}, shape {shape}"
    try:
        found = fitted.predict({"x": raw}, draws=3, random_seed=1)
    except Exception as error:
        fault = fault_of(error)
        plain = np.asarray(array, float)
        good = whole and shape == (n, 3) and n > 0 and np.abs(plain).max() < 1e30
        if good and np.isfinite(plain).all():
            return "refused", f"{kind}: good data refused: {error}"[:300]
        return "refused", fault and f"{kind}: {fault}"
    if whole is False:
        return "read", f"{kind}: missing or complex numbers read"
    values = np.asarray(raw, float)
    expected = fitted.predict({"x": values}, draws=3, random_seed=1)
    same = np.allclose(found["y"].samples, expected["y"].samples, rtol=1e-5, equal_nan=True)
    return "read", None if same else f"{kind}: other numbers than of float64"


def odd_models(rng):
    """Yield names and functions that fit."""
    x = rng.normal(size=(30, 3))
    y, few = x.sum(axis=1), dict(steps=20, **QUIET)
    odd = ["wéight", "a b", "a.b", "a/b", "x::y", "重み", "w" * 300, "loc", "params", "nll", "elbo"]
    odd += ["step", "__class__", "w_log__", "sample", "draw", "chain", "*", "[w]", "w\n", "0"]
    for name in odd:
        yield (
            f"name {name[:9]!r}",
            lambda name=name: use(regression(x, y, ("x", name, "y")), few, x),
        )
        yield (
            f"data {name[:9]!r}",
            lambda name=name: use(regression(x, y, (name, "w", "y")), few, x, name),
        )
        yield (
            f"observed {name[:9]!r}",
            lambda name=name: use(regression(x, y, ("x", "w", name)), few, x, "x", name),
        )
    for n in (0, 1, 2):
        yield f"{n} rows", lambda n=n: use(regression(x[:n], y[:n]), few, x)
        yield (
            f"{n} rows in batches",
            lambda n=n: use(regression(x[:n], y[:n]), few | {"batch_size": 1}, x),
        )
    yield "one class", lambda: use(classes(x, np.zeros(30, int), 1), few, x)
    yield "one of two classes", lambda: use(classes(x, np.zeros(30, int), 2), few, x)
    yield "10⁶ classes", lambda: use(classes(x, np.arange(30), 10**6), few | {"steps": 2}, x[:1])
    yield "constant column", lambda: use(regression(np.c_[x[:, :2], np.ones(30)], y), few, x)
    for extreme in EXTREMES:
        at = x.copy()
        at[3, 1] = extreme
        yield f"x of {extreme:g}", lambda at=at: use(regression(at, y), few, x)
        yield f"y of {extreme:g}", lambda e=extreme: use(regression(x, np.r_[e, y[1:]]), few, x)
        yield f"scale {extreme:g}", lambda e=extreme: use(regression(x, y, sigma=e), few, x)
    for _ in range(6):
        kind = owned(rng, laid_out(rng, numbers(rng, (30, 3))))[0]
        label = f"pm.Data of {type(kind).__name__}"
        yield label, lambda kind=kind: use(regression(kind, y), few, x)


def use(model, options, x, data="x", observed="y"):
    fitted = bnn.fit(model, **options)
    for name, values in fitted.mean.items():
        if not np.isfinite(values).all():
            raise AssertionError(f"{name} is not finite")
    fitted.summary()
    fitted.predict({data: x[:2]}, draws=2, random_seed=0)
    assert np.isfinite(float(fitted.elbo(draws=2).iloc[0]))


def sizes(fitted, x):
    """Yield calls with huge or odd numbers."""
    for draws in (
        0,
        -1,
        1.5,
        "3",
        True,
        None,
        10**9,
        10**12,
        2**63,
        10**30,
        np.int8(3),
        np.float64(3),
    ):
        yield f"predict(draws={draws!r})", lambda d=draws: fitted.predict({"x": x}, draws=d)
        yield f"sample(draws={draws!r})", lambda d=draws: fitted.sample(draws=d)
        yield f"elbo(draws={draws!r})", lambda d=draws: fitted.elbo(draws=d) if huge(d) else None
    for seed in (-1, 2**32, 2**64, 1.0, "1", [1], np.uint64(2**63), np.int64(-5), True, b"1"):
        yield (
            f"random_seed={seed!r}",
            lambda s=seed: fitted.predict({"x": x}, draws=2, random_seed=s),
        )
        yield (
            f"fit(random_seed={seed!r})",
            lambda s=seed: bnn.fit(
                regression(x, x[:, 0]), steps=2, random_seed=s, progressbar=False
            ),
        )
    for steps in (0, -1, 1.5, "9", True, 10**30):
        yield (
            f"fit(steps={steps!r})",
            lambda s=steps: (
                bnn.fit(regression(x, x[:, 0]), **QUIET | {"steps": s}) if huge(s) else None
            ),
        )


def huge(number):
    """Tell whether it would not take for ever where it is taken at its word."""
    return not (isinstance(number, int) and number > 10**6)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--fits", type=int, default=1000, help="models at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=float, default=6.0, help="GiB")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    signal.signal(signal.SIGALRM, late)
    rng = np.random.default_rng(args.seed)
    x = rng.normal(size=(40, 3))
    fitted = bnn.fit(regression(x, x @ [1, 2, 3]), steps=50, **QUIET)
    fitted.predict({"x": x}, draws=3)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    limit = used + int(args.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    ends, faults = Counter(), []

    def tried(kind, what, call):
        signal.alarm(MOST_S)
        try:
            call()
            how, fault = "works", None
        except NotWritten:
            how, fault = "refused by PyMC", None
        except BaseException as error:
            how, fault = "refused", fault_of(error)
        finally:
            signal.alarm(0)
        ends[kind, how] += 1
        if fault:
            faults.append(f"{what}: {fault}")
            print("  !", faults[-1], flush=True)

    for what, call in sizes(fitted, x):
        tried("sizes and seeds", what, call)
    for _ in range(args.count):
        signal.alarm(MOST_S)
        how, fault = new_data(rng, fitted)
        signal.alarm(0)
        ends["new data", how] += 1
        if fault:
            faults.append(fault)
            print("  !", fault, flush=True)
    models = list(odd_models(rng))
    for i in rng.permutation(len(models))[: args.fits]:
        tried("models", *models[i])
    for (kind, how), count in sorted(ends.items()):
        print(f"  {kind:16} {how:8} {count:6,}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"at most {peak:.1f} GiB; {len(faults)} faults"
        if faults
        else f"{peak:.1f} GiB at most; nothing found"
    )
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
