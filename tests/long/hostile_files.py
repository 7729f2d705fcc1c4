"""Damaged, cut, foreign and expanding files for the readers of IDX and NPZ files.

    python tests/long/hostile_files.py [--files 4000] [--seed 0] [--memory 3]

Each reader gets good files that were damaged at random, files of other kinds and headers that lie,
and archives that expand to gigabytes, while the process may have no more than so many GiB of
addresses beyond what it has. A file has to be refused by the reader's own one-line ValueError, or
give an array, where what was damaged are its numbers. Printed: how many there
were, how each ended, the longest time, the most memory; exit code 1 for any other end.
"""

import argparse
import gzip
import io
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from pymc_bnn import datasets
from pymc_bnn.datasets.files import read_idx_of, read_npz
from tests.support.broken_files import damaged, foreign, gzip_bomb, npy, npy_header, npz
from tests.support.mnist_files import idx_bytes

SHAPE, SLOW_S = (40, 6, 5), 5.0


def idx_file(path):
    return datasets.read_idx(path)


def npz_file(path):
    return read_npz(path, "images", SHAPE)


def mnist_file(path):
    return read_idx_of(path, SHAPE)


def bombs(size):
    """Yield readers and files of a few megabytes at most that say, or turn out, to be huge."""
    small, huge = (b"\0\0\x08\x01" + n.to_bytes(4, "big") for n in (2**20, size - 8))
    yield "IDX, zeros", idx_file, gzip_bomb(size)
    yield "IDX, more than it says", idx_file, gzip_bomb(size, small)
    yield "IDX, less than it says", idx_file, gzip_bomb(2**20, huge)
    yield "IDX, other than known", mnist_file, gzip_bomb(size, huge)
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({size},), }}"
    yield "NPZ, says so", npz_file, npz("images", npy_header(text))
    yield "NPZ, zeros", npz_file, zip_of(npy_header(text), size)


def zip_of(head, size):
    """Return an archive whose array has a head and so many zeros, written without holding them."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("images.npy", "w", force_zip64=True) as inside,
    ):
        inside.write(head)
        for _ in range(size // 2**20):
            inside.write(bytes(2**20))
    return file.getvalue()


def tried(read, path):
    """Return how it ended, and what is wrong with that."""
    try:
        read(path)
    except ValueError as error:
        text = str(error)
        wrong = (
            [] if text.endswith("; download the file again") and text.startswith("`") else [text]
        )
        wrong += [] if "\n" not in text and len(text) < 2000 else [f"{len(text)} characters"]
        return "refused", wrong
    except BaseException as error:
        return type(error).__name__, [f"{type(error).__name__}: {error}"[:300]]
    return "read", []


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=float, default=3.0, help="GiB")
    args = parser.parse_args()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
    limit = used + int(args.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    rng = np.random.default_rng(args.seed)
    array = rng.integers(0, 256, SHAPE).astype("u1")
    plain, packed = idx_bytes(array), gzip.compress(idx_bytes(array))
    whole = npz("images", npy(array))
    ends, wrong, slowest = Counter(), [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")

        def look(kind, read, content):
            nonlocal slowest
            path.write_bytes(content)
            began = time.perf_counter()
            how, faults = tried(read, path)
            took = time.perf_counter() - began
            slowest = max(slowest, took)
            if took > SLOW_S:
                faults.append(f"took {took:.1f} s")
            ends[kind, how] += 1
            wrong.extend(f"{kind}: {fault}" for fault in faults)

        for i in range(args.files):
            if i % 5 == 4:
                read = (idx_file, npz_file)[i // 5 % 2]
                look(f"foreign, {read.__name__}", read, foreign(rng))
            elif i % 5 in (0, 1):
                look("damaged, idx_file", idx_file, damaged(rng, (plain, packed)[i % 5]))
            else:
                look("damaged, npz_file", npz_file, damaged(rng, whole))
        for kind, read, content in bombs(4 * 2**30 - 2**20):
            look(kind, read, content)
            print(f"  {kind}: {len(content):,} bytes", flush=True)
    for (kind, how), count in sorted(ends.items()):
        print(f"  {kind:36} {how:12} {count:6,}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{sum(ends.values()):,} files; the slowest {slowest:.1f} s; at most {peak:,.0f} MiB")
    print("\n".join(sorted(set(wrong))[:30]) or "nothing found")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
