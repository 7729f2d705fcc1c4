"""Damaged, foreign and expanding files are refused in one line, before they are allocated for."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pymc_bnn import datasets
from pymc_bnn.datasets.files import read_npz
from tests.support.broken_files import damaged, foreign, gzip_bomb, npy, npy_header, npz
from tests.support.mnist_files import idx_bytes

SHAPE = 40, 6, 5
ARRAY = np.random.default_rng(0).integers(0, 256, SHAPE).astype("u1")


def read_images(path):
    return read_npz(path, "images", SHAPE)


@pytest.mark.parametrize(
    ("read", "whole"),
    [
        (datasets.read_idx, idx_bytes(ARRAY)),
        (datasets.read_idx, gzip.compress(idx_bytes(ARRAY))),
        (read_images, npz("images", npy(ARRAY))),
    ],
)
def test_files_that_are_damaged_or_foreign(tmp_path, read, whole):
    path, rng, refused = tmp_path / "file", np.random.default_rng(len(whole)), 0
    errors = []
    path.write_bytes(whole)
    np.testing.assert_array_equal(read(path), ARRAY)
    for i in range(150):
        path.write_bytes(foreign(rng) if i % 3 == 0 else damaged(rng, whole))
        try:
            read(path)  # only its numbers were damaged
        except ValueError as error:
            refused += bool(re.fullmatch(rf"`{path}` must .*; download the file again", str(error)))
            errors.append(str(error))
    assert len(errors) == refused
    assert refused > 90


def test_arrays_in_fortran_order(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(npz("images", npy(np.asfortranarray(ARRAY))))
    np.testing.assert_array_equal(read_images(path), ARRAY)


SIZE = 2**30
HUGE = f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({SIZE},), }}"
BOMBS = {
    "idx": ("read_idx", gzip_bomb(2**28, b"\0\0\x08\x01" + (2**20).to_bytes(4, "big")), "or more"),
    "idx zeros": ("read_idx", gzip_bomb(2**28), "type codes"),
    "idx says so": ("read_idx", gzip_bomb(2**20, b"\0\0\x08\x01\x7f\xff\xff\xff"), "bytes at most"),
    "npz": ("npz", npz("images", npy_header(HUGE) + bytes(2**28)), "an array of 268,435,5"),
    "npz says so": ("npz", npz("images", npy_header(HUGE)), "bytes for uint8 of shape"),
}


def test_nothing_is_allocated_for_what_expands(tmp_path):
    for name, (_, content, _) in BOMBS.items():
        (tmp_path / name).write_bytes(content)
    code = """
import resource, sys
from pathlib import Path
from pymc_bnn import datasets
from pymc_bnn.datasets.files import read_npz
used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, used + 2**26))
for path in map(Path, sys.argv[1:]):
    try:
        datasets.read_idx(path) if "idx" in path.name else read_npz(path, "images", (40, 6, 5))
    except ValueError as error:
        print(path.name, error, sep="|")
"""
    command = [sys.executable, "-c", code, *(str(tmp_path / name) for name in BOMBS)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2]
    )
    assert not done.stderr
    found = dict(line.split("|") for line in done.stdout.splitlines())
    for name, (_, _, match) in BOMBS.items():
        assert match in found[name]
