"""How often verdicts of ``fitted.diagnose(data=…, reference=…)`` are wrong.

    python tests/long/diagnose.py [--sets 200] [--fits 4] [--cases TEXT]

Calibration and what is compared with a reference are judged on data sets of conjugate models, whose
truth is drawn from the prior: exact posteriors, which are good, and known bad ones. Then whole fits
of a regression with correlated columns are put beside NUTS: a full-rank guide is right there, a
mean-field one is too narrow, and a colder one more so. A line per case has the shares of verdicts.
About three minutes on an idle core, most of them for the fits.
"""

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn.diagnostics.checks.calibration import judged_classes, judged_values
from pymc_bnn.diagnostics.checks.reference import compared, judged_density

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support.exact import classes, counts, densities, regression

FEW = {"train": 12, "columns": 8}  # rows, so that the posterior matters beside the noise


def of_values(rng, model=regression, **options):
    *_, samples, y = model(rng, **options)
    return [judged_values("y", samples, y)]


def of_classes(rng, **options):
    return [judged_classes("y", *classes(rng, draws=200, **options))]


def of_reference(rng, sure=1.0, draws=400, **options):
    """Independent draws in place of NUTS's; the same truth and data for both."""
    seed = int(rng.integers(2**31))
    exact, _, y = regression(np.random.default_rng(seed), draws=2 * draws, **options)
    own, _, _ = regression(np.random.default_rng(seed), draws=draws, sure=sure, **options)
    # The first draws are made of the same numbers: the later ones of the exact posterior are new.
    drawn = exact[draws:]
    apart = (a.reshape(4, -1, a.shape[1]) for a in (own, drawn))
    density = judged_density(densities(own, y), densities(drawn, y), [0.25] * 4)
    return [*compared("mean", *apart, [0.25] * 4), density]


CASES = {
    "values, exact, 200 rows": lambda rng: of_values(rng),
    "values, exact, 2,000 rows": lambda rng: of_values(rng, rows=2000),
    "values, exact, 12 rows fitted": lambda rng: of_values(rng, **FEW),
    "values, noise of half the width": lambda rng: of_values(rng, noise=0.5),
    "values, noise of twice the width": lambda rng: of_values(rng, noise=2),
    "values, posterior of a third of its width, 12 rows fitted": lambda rng: of_values(
        rng, sure=3, **FEW
    ),
    "counts, exact": lambda rng: of_values(rng, counts),
    "counts, overdispersed": lambda rng: of_values(rng, counts, spread=0.5),
    "classes, exact, 500 rows": lambda rng: of_classes(rng),
    "classes, exact, 2,000 rows": lambda rng: of_classes(rng, rows=2000),
    "classes, cold": lambda rng: of_classes(rng, sure=3, cells=100),
    "classes, too warm": lambda rng: of_classes(rng, sure=0.3, cells=100),
    "reference, exact, 400 draws": lambda rng: of_reference(rng),
    "reference, exact, 400 draws, 12 rows fitted": lambda rng: of_reference(rng, **FEW),
    "reference, half the width": lambda rng: of_reference(rng, sure=2),
    "reference, half the width, 12 rows fitted": lambda rng: of_reference(rng, sure=2, **FEW),
}


def correlated(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 1)) + 0.3 * rng.normal(size=(60, 3))
    new = rng.normal(size=(60, 3))
    y, new_y = (a.sum(axis=1) + rng.normal(size=60) for a in (x, new))
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", x) @ pm.Normal("slopes", shape=3), 1.0, observed=y)
    return model, {"x": new, "y": new_y}


GUIDES = {
    "fit, full rank": {"guide": bnn.guides.FullRank()},
    "fit, mean field": {},
    "fit, mean field, cold": {"kl_weight": 0.1},
}


def fits(name, number):
    """Return the verdicts of NUTS on fits of new columns, which do not vary together."""
    for seed in range(number):
        model, new = correlated(seed)
        fitted = bnn.fit(model, steps=3000, random_seed=seed, progressbar=False, **GUIDES[name])
        options = {"max_tree_depth": 6, "max_minutes": None, "progressbar": False}
        refined = fitted.refine(random_seed=seed, **options)
        table = fitted.diagnose(10, data=new, reference=refined, random_seed=seed)
        yield [r for r in table.reset_index().itertuples() if r.check.startswith("reference")]


def report(name, found):
    """Print the shares of verdicts, and the mean of the values."""
    began, found = time.process_time(), list(found)
    print(f"{name} ({len(found)}, {time.process_time() - began:.0f} CPU s)")
    for rows in zip(*found, strict=True):
        words = Counter(f.verdict for f in rows)
        shares = ", ".join(f"{w} {words[w] / len(rows):.1%}" for w in ("good", "look", "bad"))
        value = np.mean([f.value for f in rows])
        print(f"    {rows[0].check}: {shares}; value {value:.3f} in the mean", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=200)
    parser.add_argument("--fits", type=int, default=4)
    parser.add_argument("--cases", default="", help="what the names of cases hold")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for case in (name for name in (*CASES, *GUIDES) if arguments.cases in name):
        if case in GUIDES:
            report(case, fits(case, arguments.fits))
        else:
            seeds = map(np.random.default_rng, range(arguments.sets))
            report(case, map(CASES[case], seeds))
