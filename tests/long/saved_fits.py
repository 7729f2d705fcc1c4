"""Fits of many kinds are saved, pickled and dumped, and another process answers the same by them.

Draws, moments, summaries, histories and predictions, bit by bit. Run::

    python tests/long/saved_fits.py
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib

from tests.support.saved_fits import FITS, answers, make

CODE = """
import pickle, sys, time, traceback, warnings
from pathlib import Path
import joblib
import pymc_bnn as bnn
warnings.simplefilter("ignore")
folder, names = Path(sys.argv[1]), sys.argv[2:]
loaded, seconds = {}, {}
for name in names:
    began = time.perf_counter()
    loaded[name] = bnn.load(folder / name)
    seconds[name] = time.perf_counter() - began
from tests.support.saved_fits import answers, check_same
wrong = 0
for name, fitted in loaded.items():
    expected = pickle.loads((folder / f"{name}.expected").read_bytes())
    others = {"load": fitted, "joblib": joblib.load(folder / f"{name}.joblib")}
    for file in ("fresh", "used"):
        others[file] = pickle.loads((folder / f"{name}.{file}").read_bytes())
    said = []
    for way, other in others.items():
        try:
            check_same(answers(other), expected)
        except Exception as error:
            traceback.print_exc()
            said.append(way)
    wrong += bool(said)
    print(f"{name}: loaded in {seconds[name]:.2f} s; wrong: {said or 'none'}", flush=True)
sys.exit(bool(wrong))
"""


def main() -> int:
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        for name in FITS:
            fitted = make(name)
            (folder / f"{name}.fresh").write_bytes(pickle.dumps(fitted))
            joblib.dump(fitted, folder / f"{name}.joblib")
            began = time.perf_counter()
            fitted.save(folder / name)
            took = time.perf_counter() - began
            size = sum(file.stat().st_size for file in (folder / name).iterdir())
            (folder / f"{name}.expected").write_bytes(pickle.dumps(answers(fitted)))
            (folder / f"{name}.used").write_bytes(pickle.dumps(fitted))
            print(f"{name}: saved in {took:.2f} s, {size:,} bytes", flush=True)
        return subprocess.run([sys.executable, "-c", CODE, parent, *FITS]).returncode


if __name__ == "__main__":
    sys.exit(main())
