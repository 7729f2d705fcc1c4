"""MAPIE and skpro around BNNRegressor and BNNClassifier: what they accept, and how much they cover.

    python tests/long/adapters.py [--splits 2] [--here]

Installs this tree with MAPIE and skpro (which wants an older pandas) in a virtual environment of
its own, minutes and a gigabyte, and runs there; with ``--here`` in the environment that runs it. A
quarter of the rows is scored; of the others a third conformalises where something has to be held
out. All intervals and sets are of 90 %.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
LEVEL = 0.9


def regression(seed):
    """Yield who said it, and intervals (n, 2) beside what was observed."""
    import pandas as pd
    from mapie.regression import CrossConformalRegressor, SplitConformalRegressor
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split
    from skpro.regression.adapters.sklearn import SklearnProbaReg

    from pymc_bnn.sklearn import BNNRegressor

    x, y = load_diabetes(return_X_y=True, as_frame=True)
    x, new_x, y, new_y = train_test_split(x, y, test_size=0.25, random_state=seed)
    part = train_test_split(x, y, test_size=1 / 3, random_state=seed)
    model = BNNRegressor(random_state=seed)

    yield "BNNRegressor.predict_interval", model.fit(x, y).predict_interval(new_x, LEVEL), new_y
    split = SplitConformalRegressor(model, confidence_level=LEVEL, prefit=False)
    split.fit(part[0], part[2]).conformalize(part[1], part[3])
    yield "MAPIE SplitConformalRegressor", split.predict_interval(new_x)[1][..., 0], new_y
    cross = CrossConformalRegressor(model, confidence_level=LEVEL, cv=5, random_state=seed)
    cross.fit_conformalize(x, y)
    yield "MAPIE CrossConformalRegressor", cross.predict_interval(new_x)[1][..., 0], new_y
    adapted = SklearnProbaReg(model).fit(x, pd.DataFrame({"y": y}))
    found = adapted.predict_interval(new_x, coverage=LEVEL)
    yield "skpro SklearnProbaReg", found.to_numpy(), new_y


def classes(seed):
    """Yield who said it, and sets (n, classes) beside what was observed."""
    from mapie.classification import CrossConformalClassifier, SplitConformalClassifier
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    from pymc_bnn.sklearn import BNNClassifier

    x, y = load_digits(return_X_y=True)
    x, new_x, y, new_y = train_test_split(x, y, test_size=0.25, random_state=seed)
    part = train_test_split(x, y, test_size=1 / 3, random_state=seed)
    model = BNNClassifier(steps=1500, random_state=seed)
    for score in ("lac", "aps"):
        split = SplitConformalClassifier(
            model, confidence_level=LEVEL, conformity_score=score, prefit=False, random_state=seed
        )
        split.fit(part[0], part[2]).conformalize(part[1], part[3])
        sets = split.predict_set(new_x)[1][..., 0]
        yield f"MAPIE SplitConformalClassifier, {score}", sets, new_y
    cross = CrossConformalClassifier(model, confidence_level=LEVEL, cv=3, random_state=seed)
    cross.fit_conformalize(x, y)
    yield "MAPIE CrossConformalClassifier, lac", cross.predict_set(new_x)[1][..., 0], new_y


def run(splits):
    import pandas as pd

    rows = []
    for seed in range(splits):
        for name, interval, y in regression(seed):
            y, (low, high) = np.asarray(y), np.moveaxis(np.asarray(interval, float), -1, 0)
            covered = (low <= y) & (y <= high)
            rows.append(("diabetes", name, covered.mean(), (high - low).mean(), len(y)))
            print(seed, *rows[-1], flush=True)
        for name, sets, y in classes(seed):
            sets = np.asarray(sets, bool)
            covered = sets[np.arange(len(y)), y]
            rows.append(("digits", name, covered.mean(), sets.sum(axis=1).mean(), len(y)))
            print(seed, *rows[-1], flush=True)
    table = pd.DataFrame(rows, columns=["data", "of", "coverage", "width or size", "rows"])
    print(table.groupby(["data", "of"], sort=False).mean().round(3).to_string())


def elsewhere(splits):
    """Run this file in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        install = [python, "-m", "pip", "install", "--quiet", "-e", ROOT, "mapie>=1", "skpro"]
        subprocess.run(list(map(str, install)), check=True)
        command = [python, __file__, "--here", "--splits", splits]
        return subprocess.run(list(map(str, command)), check=False).returncode


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=2)
    parser.add_argument("--here", action="store_true")
    options = parser.parse_args()
    if not options.here:
        sys.exit(elsewhere(options.splits))
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", "X does not have valid feature names")  # MAPIE's arrays
    run(options.splits)
