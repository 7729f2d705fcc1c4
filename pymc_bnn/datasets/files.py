"""Where data files are looked for, and how IDX and .npz files are read."""

from __future__ import annotations

import gzip
import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import NoReturn

import numpy as np

from pymc_bnn._checks import invalid

__all__ = ["VARIABLE", "corrupt", "data_home", "read_idx", "read_npz"]

VARIABLE = "PYMC_BNN_DATA"
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_READ_ERRORS = (OSError, EOFError, zlib.error)
_GZIP_START = b"\x1f\x8b"


def data_home() -> Path:
    """Return the folder of the data files.

    Returns
    -------
    pathlib.Path
        The environment variable ``PYMC_BNN_DATA`` where it is set and not empty, otherwise
        ``~/.cache/pymc_bnn``. The folder need not exist.

    Examples
    --------
    >>> from unittest import mock
    >>> with mock.patch.dict(os.environ, PYMC_BNN_DATA="somewhere/data"):
    ...     print(data_home().as_posix())
    somewhere/data
    """
    return Path(os.environ.get(VARIABLE) or Path("~", ".cache", "pymc_bnn")).expanduser()


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read a file in the IDX format, plain or gzipped.

    Two zero bytes, a type code, the number of axes, their lengths as 32-bit integers, then the
    numbers, all of them big endian. Compression is recognised from the content, not the name.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    numpy.ndarray
        Of type uint8, int8, int16, int32, float32 or float64, in the machine's byte order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it cannot be decompressed, is no IDX file, or is longer or shorter than its header
        says. Nothing is allocated on the word of the header.

    References
    ----------
    LeCun, Y., Cortes, C. & Burges, C. The MNIST database of handwritten digits: "The IDX file
    format", at the end of the page.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     read_idx(path)
    array([5, 0, 4], dtype=uint8)
    """
    path = Path(path)
    content = _read_bytes(path)
    if len(content) < 4 or content[:2] != b"\0\0":
        corrupt(
            path,
            "start with the magic number of IDX, 00 00 <type> <axes>",
            f"{content[:4].hex(' ') or 'nothing'}",
        )
    code, n_axes = content[2], content[3]
    if code not in _IDX_TYPES:
        known = ", ".join(f"{known:02x}" for known in _IDX_TYPES)
        corrupt(path, f"have one of the IDX type codes {known}", f"{code:02x}")
    if n_axes > 64:
        corrupt(path, "have at most 64 axes", f"{n_axes}")
    start = 4 + 4 * n_axes
    if len(content) < start:
        corrupt(path, f"have a header of {start} bytes", f"{len(content)} bytes")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", n_axes, 4))
    dtype = np.dtype(_IDX_TYPES[code])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        corrupt(
            path,
            f"hold {expected} bytes, as its header says (shape {shape})",
            f"{len(content)} bytes",
        )
    return (
        np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    )


def corrupt(path: Path, rule: str, value: str) -> NoReturn:
    """Raise the error of a file that is not what it should be."""
    raise invalid(str(path), rule, value, "download the file again")


def _read_bytes(path: Path) -> bytes:
    """Return the content of a file, decompressed where it is gzipped."""
    if not path.is_file():
        raise invalid(
            "path", "name a file", f"{path}, which is none", "check the path", FileNotFoundError
        )
    content = path.read_bytes()
    if content[:2] != _GZIP_START:
        return content
    try:
        return gzip.decompress(content)
    except _READ_ERRORS as error:
        corrupt(path, "be a complete gzip file", f"{type(error).__name__}: {error}")


def read_npz(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one uint8 array of an .npz file, checked against its shape."""
    if not path.is_file():
        raise invalid(
            "data_home",
            f"hold {path.parent.name}/{path.name}",
            f"{path.parent.parent} without it",
            f"put the file there, or set the environment variable {VARIABLE}",
            FileNotFoundError,
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (*_READ_ERRORS, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        corrupt(
            path,
            f"be a complete .npz file with an array {name!r}",
            f"{type(error).__name__}: {error}",
        )
    if array.shape != shape or array.dtype != np.uint8:
        corrupt(path, f"hold uint8 of shape {shape}", f"{array.dtype} of shape {array.shape}")
    return array
