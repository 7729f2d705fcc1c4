"""IDX files of every type and shape; each broken one is one error."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest

from pymc_bnn import datasets
from tests.support.mnist_files import idx_bytes

IDX_TYPES = [
    (0x08, "B", "uint8", [0, 128, 255]),
    (0x09, "b", "int8", [-128, 0, 127]),
    (0x0B, "h", "int16", [-32768, 258, 32767]),
    (0x0C, "i", "int32", [-(2**31), 16909060, 2**31 - 1]),
    (0x0D, "f", "float32", [-1.5, 0.0, 3.0e38]),
    (0x0E, "d", "float64", [-1.5, 1e-300, 1e300]),
]


@pytest.mark.parametrize(("code", "kind", "dtype", "values"), IDX_TYPES)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_idx_type(tmp_path, code, kind, dtype, values, pack):
    path = tmp_path / "numbers"
    path.write_bytes(pack(idx_bytes(np.array(values), code, kind)))
    array = datasets.read_idx(path)
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.flags.writeable
    np.testing.assert_array_equal(array, np.array(values, dtype))


@pytest.mark.parametrize("shape", [(2, 3), (2, 1, 3, 1), (6,), (), (0,), (0, 5)])
def test_idx_of_any_number_of_axes(tmp_path, shape):
    array = np.arange(math.prod(shape)).reshape(shape)
    path = tmp_path / "numbers"
    path.write_bytes(idx_bytes(array, 0x0C, "i"))
    got = datasets.read_idx(str(path))
    assert got.shape == shape
    assert got.tolist() == array.tolist()


GOOD = idx_bytes(np.arange(12).reshape(3, 4))
PACKED = gzip.compress(GOOD)
BROKEN_IDX = {
    "empty": (b"", "must start with the magic number of IDX, .* got nothing"),
    "text": (b"<html>not found</html>", "must start with the magic number .* got 3c 68 74 6d"),
    "short magic": (b"\0\0\x08", "must start with the magic number .* got 00 00 08;"),
    "type code": (b"\0\0\x0a" + GOOD[3:], "must have one of the IDX type codes 08, .* got 0a"),
    "short header": (GOOD[:9], "must have a header of 12 bytes, got 9 bytes"),
    "too many axes": (b"\0\0\x08\xff" + bytes(2000), "must have at most 64 axes, got 255"),
    "truncated": (GOOD[:-1], r"must hold 24 bytes, .* \(shape \(3, 4\)\), got 23 bytes"),
    "too long": (GOOD + b"\0", "must hold 24 bytes, .* got 25 bytes"),
    "wider type": (b"\0\0\x0c" + GOOD[3:], "must hold 60 bytes, .* got 24 bytes"),
    "huge": (GOOD[:4] + b"\xff" * 8 + GOOD[12:], "must hold 18446744065119617037 bytes, as"),
    "gzip cut": (PACKED[:-12], "must be a complete gzip file, got EOFError"),
    "gzip cut in its header": (PACKED[:5], "must be a complete gzip file"),
    "gzip body": (PACKED[:12] + b"\xff\xff\xff" + PACKED[15:], "must be a complete gzip file"),
    "gzip check sum": (
        PACKED[:-8] + bytes(4) + PACKED[-4:],
        "must be a complete gzip file, got BadGzipFile: CRC",
    ),
    "gzipped text": (gzip.compress(b"hello"), "must start with the magic number"),
}


@pytest.mark.parametrize("case", BROKEN_IDX)
def test_broken_idx_files(tmp_path, case):
    content, match = BROKEN_IDX[case]
    path = tmp_path / "labels-idx1"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"labels-idx1` {match}") as error:
        datasets.read_idx(path)
    assert str(error.value).endswith("; download the file again")


def test_no_idx_file(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(FileNotFoundError, match=f"`path` must name a file, got {path}, which"):
            datasets.read_idx(path)
