"""A folder that is written is there as a whole or not at all, and none that was changed is read."""

import hashlib
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pymc_bnn.errors import DamagedError
from pymc_bnn.saving.folder import SUMS, checked_folder, new_folder

MOST = {"fit.json": 2000, "arrays.safetensors": 10_000}


@pytest.fixture
def kept(tmp_path):
    with new_folder(tmp_path / "kept") as folder:
        (folder / "fit.json").write_text('{"steps": 3}')
        (folder / "arrays.safetensors").write_bytes(bytes(range(256)) * 4)
    return tmp_path / "kept"


def test_files_are_as_they_were_written_and_sha256sum_agrees(kept):
    found = checked_folder(kept, MOST)
    assert list(found) == ["arrays.safetensors", "fit.json"]
    assert found["fit.json"].read_text() == '{"steps": 3}'
    for line in (kept / SUMS).read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((kept / name).read_bytes()).hexdigest() == digest
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", SUMS], cwd=kept, check=True)


@pytest.mark.parametrize("name", [*MOST, SUMS])
def test_every_byte_counts(kept, name):
    whole = (kept / name).read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.choice(len(whole), min(60, len(whole)), replace=False):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        (kept / name).write_bytes(changed)
        with pytest.raises(DamagedError, match=r"changed|is missing"):
            checked_folder(kept, MOST)
    for other in (whole[:-1], whole + b"\n", b""):
        (kept / name).write_bytes(other)
        with pytest.raises(DamagedError, match=r"where '.*' (was changed|is missing|does not bel)"):
            checked_folder(kept, MOST)
    (kept / name).write_bytes(whole)
    checked_folder(kept, MOST)


def swapped(kept):
    a, b = (kept / name for name in MOST)
    one, other = a.read_bytes(), b.read_bytes()
    a.write_bytes(other)
    b.write_bytes(one)


def a_link(kept):
    (kept / "fit.json").rename(kept.parent / "elsewhere")
    (kept / "fit.json").symlink_to(kept.parent / "elsewhere")


def a_pipe(kept):
    (kept / "fit.json").unlink()
    os.mkfifo(kept / "fit.json")


def too_large(kept):
    with (kept / "fit.json").open("r+b") as file:
        file.truncate(2**42)  # holes take no room on the disk, and years to be read


CHANGES = {
    "'fit.json' is missing": lambda kept: (kept / "fit.json").unlink(),
    "'SHA256SUMS' is missing": lambda kept: (kept / SUMS).unlink(),
    "'more' does not belong to it": lambda kept: (kept / "more").touch(),
    "'arrays.safetensors' was changed; 'fit.json' was changed": swapped,
    "'fit.json' is no plain file": a_link,
    "'fit.json' is no plain file; ?": a_pipe,
    "'fit.json' has 4,398,046,511,104 bytes, and may have 2,000": too_large,
    "'sub' does not belong to it": lambda kept: (kept / "sub").mkdir(),
}  # fmt: skip


@pytest.mark.parametrize("says", CHANGES)
def test_what_was_done_to_it_is_said(kept, says):
    CHANGES[says](kept)
    with pytest.raises(
        DamagedError, match=f"as it was saved, got '.*', where {says.split('; ?')[0]}"
    ):
        checked_folder(kept, MOST)


def test_no_folder(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must be a folder that was saved before, .* not"):
        checked_folder(tmp_path / "none", MOST)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"`checkpoint` must be a folder .* which is a file"):
        checked_folder(tmp_path / "file", MOST, argument="checkpoint")


def test_nothing_is_written_over_unless_asked_for(kept):
    says = "`path` must be a path at which nothing is yet"
    with pytest.raises(ValueError, match=says), new_folder(kept):
        raise AssertionError
    with new_folder(kept, over=True) as folder:
        (folder / "fit.json").write_text("new")
    assert list(checked_folder(kept, MOST)) == ["fit.json"]
    assert os.listdir(kept.parent) == ["kept"]
    (kept.parent / "file").touch()
    with pytest.raises(ValueError, match="got a file"), new_folder(kept.parent / "file", over=True):
        raise AssertionError


def fail_in(path, over, error):
    with new_folder(path, over=over) as folder:
        (folder / "fit.json").write_text("half")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError, ValueError])
def test_what_fails_leaves_what_was_there(kept, error):
    for path, over in ((kept, True), (kept.parent / "other", False)):
        with pytest.raises(error):
            fail_in(path, over, error)
    assert os.listdir(kept.parent) == ["kept"]
    assert len(checked_folder(kept, MOST)) == 2


def test_names_that_could_not_be_read_back(tmp_path):
    for name in ("a b", "ä", SUMS, "-x", ".hidden"):
        says = "plain files of plain names"
        with pytest.raises(ValueError, match=says), new_folder(tmp_path / "kept") as folder:
            (folder / name).touch()
    assert not os.listdir(tmp_path)


def test_a_folder_is_as_readable_as_any_other(kept):
    beside = kept.parent / "beside"
    beside.mkdir()
    assert kept.stat().st_mode == beside.stat().st_mode


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from pymc_bnn.saving.arrays import write_arrays
from pymc_bnn.saving.folder import new_folder

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
try:
    with new_folder(sys.argv[1]) as folder:
        write_arrays(folder / "arrays.safetensors", {"w": np.zeros(10**6)})
except OSError as error:
    print("said", error)
"""


def test_a_full_disk_is_an_error_of_the_system_and_leaves_nothing(tmp_path):
    code = [sys.executable, "-c", FULL, str(tmp_path / "kept")]
    out = subprocess.run(code, capture_output=True, text=True, timeout=60)
    assert out.stdout.startswith("said"), out.stderr
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("path", [3, None, "", b"fit"])
def test_what_is_no_path(path):
    with pytest.raises(TypeError, match=r"`path` must be the path of a folder, got .*; pass path="):
        checked_folder(path, {})
    with pytest.raises(TypeError, match="`path` must be the path of a folder"), new_folder(path):
        pass
