"""Corrupted, truncated and foreign files in the place of a fit: none is loaded, none does harm.

- bytes: bits flipped, files cut, lengthened, emptied, swapped, missing, added, made links;
- texts: what fit.json and model.json say is changed at a random place, and the checksums are made
  right again, as a stranger would; what is a fit all the same (a number, a name, a version) may be
  loaded, and has to predict or say in one error why not;
- foreign: other files under these names (pickles, ZIP, NPZ, HTML, deep and huge JSON, noise).

Each is an error of one sentence, soon, and in little memory; a child that may have 4 GiB more than
it began with does it. Run::

    python tests/long/corrupted.py [--count 2800] [--seed 0]
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import json
import os
import pickle
import resource
import shutil
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

import pymc_bnn as bnn
from pymc_bnn.errors import DamagedError
from tests.support.saved_fits import NEW, make

GIB = 2**30
FILES = ("fit.json", "model.json", "arrays.safetensors", "SHA256SUMS")
WORDS = ("os.system", "builtins.eval", "../../etc/passwd", "", "a" * 5000, "\x00", "nan", "mu")
ODD = (None, True, -1, 0, 1, 10**6, 10**30, -(2**63), 1e308, 0.5, [], {}, [[]], {"a": 1})


class Bomb:
    """A pickle that would tell."""

    def __reduce__(self):
        return (os.mkdir, (f"{tempfile.gettempdir()}/a-pickle-was-loaded-{os.getpid()}",))


def damage_bytes(folder: Path, rng: np.random.Generator) -> str:
    """Change bytes or files; return how."""
    file = folder / rng.choice(FILES)
    content = bytearray(file.read_bytes())
    way = rng.choice(["flip", "cut", "longer", "empty", "swap", "missing", "more", "link", "zeros"])
    if way == "flip":
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    elif way == "cut":
        content = content[: rng.integers(len(content))]
    elif way == "longer":
        content += rng.bytes(rng.integers(1, 100))
    elif way == "empty":
        content = bytearray()
    elif way == "zeros":
        begin = rng.integers(len(content))
        content[begin : begin + 64] = bytes(len(content[begin : begin + 64]))
        if bytes(content) == file.read_bytes():
            content[begin] ^= 1
    if way == "swap":
        other = folder / rng.choice([f for f in FILES if f != file.name])
        kept = other.read_bytes()
        other.write_bytes(content)
        content = bytearray(kept)
    file.write_bytes(content)
    if way == "missing":
        file.unlink()
    elif way == "more":
        (folder / "more.pickle").write_bytes(pickle.dumps(Bomb()))
    elif way == "link":
        target = folder.parent / "target"
        target.write_bytes(content)
        file.unlink()
        file.symlink_to(target)
    return f"bytes {way}"


def places(found: object, path: tuple = ()) -> list[tuple]:
    """Return the ways to all that a text holds."""
    own = [path] if path else []
    if isinstance(found, dict):
        return own + [p for k, v in found.items() for p in places(v, (*path, k))]
    if isinstance(found, list):
        return own + [p for i, v in enumerate(found) for p in places(v, (*path, i))]
    return own


def change_text(folder: Path, rng: np.random.Generator) -> str:
    """Change what a text says at a random place, and make checksums right."""
    name = str(rng.choice(FILES[:2]))
    found = json.loads((folder / name).read_text())
    all_places = places(found)
    path = all_places[rng.integers(len(all_places))]
    at = found
    for step in path[:-1]:
        at = at[step]
    old = at[path[-1]]
    way = rng.choice(["drop", "odd", "word", "near", "double", "other"])
    if way == "drop":
        del at[path[-1]]
    elif way == "odd":
        at[path[-1]] = ODD[rng.integers(len(ODD))]
    elif way == "word":
        at[path[-1]] = WORDS[rng.integers(len(WORDS))]
    elif way == "near" and isinstance(old, int | float) and not isinstance(old, bool):
        at[path[-1]] = old + 1
    elif way == "double" and isinstance(old, list):
        at[path[-1]] = old + old
    else:
        other = found
        for step in all_places[rng.integers(len(all_places))]:
            other = other[step]
        at[path[-1]] = copy.deepcopy(other)
    (folder / name).write_text(json.dumps(found))
    sign(folder)
    return f"text {way}"


def sign(folder: Path) -> None:
    """Make the checksums right."""
    names = sorted(set(os.listdir(folder)) - {"SHA256SUMS"})
    sums = [f"{hashlib.sha256((folder / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (folder / "SHA256SUMS").write_text("".join(sums))


def foreign(folder: Path, rng: np.random.Generator) -> str:
    """Put another file in the place of one, with right checksums or without."""
    packed, arrays = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("fit.json", "{}")
    np.savez(arrays, a=np.zeros(3))
    huge = {"w": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}
    header = json.dumps(huge).encode()
    kinds = {
        "pickle": pickle.dumps(Bomb()),
        "zip": packed.getvalue(),
        "npz": arrays.getvalue(),
        "html": b"<html><body>404</body></html>",
        "deep": b"[" * 200_000 + b"]" * 200_000,
        "deep dict": b'{"format":' * 50_000 + b"1" + b"}" * 50_000,
        "long number": b'{"format": ' + b"9" * 1_000_000 + b"}",
        "noise": rng.bytes(1000),
        "nothing": b"",
        "null": b"null",
        "nan": b'{"format": NaN}',
        "empty": b"{}",
        "format": b'{"format": 1}',
        "utf-16": '{"format": 1}'.encode("utf-16"),
        "huge header": (2**62).to_bytes(8, "little") + b"{}",
        "huge array": len(header).to_bytes(8, "little") + header,
    }
    way = str(rng.choice(list(kinds)))
    (folder / rng.choice(FILES[:3])).write_bytes(kinds[way])
    if rng.random() < 0.8:
        sign(folder)
    return f"foreign {way}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2800)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rng = np.random.default_rng(options.seed)
    told, bad, slowest, refused = Counter(), [], 0.0, Counter()
    with tempfile.TemporaryDirectory() as parent:
        saved, folder = Path(parent, "saved"), Path(parent, "fit")
        make("plain").save(saved)
        expected = bnn.load(saved).predict(NEW, 3, random_seed=1)["y"].mean
        in_use = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + 4 * GIB, mapped + 4 * GIB))
        ways = (damage_bytes, change_text, damage_bytes, foreign)
        for i in range(options.count):
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(saved, folder)
            way = ways[i % 4](folder, rng)
            began = time.perf_counter()
            try:
                loaded = bnn.load(folder)
            except DamagedError:
                refused[way] += 1
            except ValueError as error:  # of a later format, of a class that is not known here
                refused[way] += 1
                if "`path` must" not in str(error) and "`model` must" not in str(error):
                    bad.append(f"{i} {way}: ValueError {str(error)[:200]}")
            except BaseException as error:
                bad.append(f"{i} {way}: {type(error).__name__} {str(error)[:200]}")
            else:
                told[way] += 1
                if not way.startswith("text") or not harmless(loaded, expected):
                    bad.append(f"{i} {way}: loaded")
            slowest = max(slowest, time.perf_counter() - began)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    ran = Path(f"{tempfile.gettempdir()}/a-pickle-was-loaded-{os.getpid()}").exists()
    for way in sorted({*refused, *told}):
        print(f"{way:22} refused {refused[way]:4}, loaded {told[way]:4}")
    print(
        f"{options.count} folders: {sum(refused.values())} refused; of texts with right checksums "
        f"{sum(told.values())} loaded, as they say another fit that can be; "
        f"slowest {slowest:.1f} s; memory at most "
        f"{(most - in_use) / 2**20:.0f} MiB more than before; a pickle was run: {ran}"
    )
    print("bad:", *(bad or ["none"]), sep="\n  ")
    return bool(bad or ran)


def harmless(loaded: object, expected: np.ndarray) -> bool:
    """Tell whether what was loaded from a changed text is a fit, of numbers that can be had."""
    try:
        found = loaded.predict(NEW, 3, random_seed=1)["y"].mean
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError, IndexError):
        return True  # it says that it cannot
    return bool(found.shape[:1] == expected.shape[:1])


if __name__ == "__main__":
    sys.exit(main())
