"""Where data files are looked for, and how IDX and .npz files are read."""

from __future__ import annotations

import gzip
import io
import math
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np

from pymc_bnn._checks import first_line, invalid

__all__ = ["VARIABLE", "corrupt", "data_home", "read_idx", "read_idx_of", "read_npz"]

VARIABLE = "PYMC_BNN_DATA"
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_READ_ERRORS = (OSError, EOFError, zlib.error)
_DECODE_ERRORS = (
    ValueError, KeyError, TypeError, OverflowError, RuntimeError, MemoryError, struct.error,
    zipfile.BadZipFile,
)  # fmt: skip
_DEFLATED = 1032  # times at most that it grows
_PIECE = 2**20
_NPY_HEADER = 2**16  # bytes, more than NumPy accepts
_NPY_VERSIONS = {
    (1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0
}  # fmt: skip
_ZIPPED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
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
    return read_idx_of(Path(path))


def read_idx_of(path: Path, expected: tuple[int, ...] | None = None) -> np.ndarray:
    """Return the array of an IDX file; one that is to be uint8 of a shape is read only if it is.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels-idx1-ubyte")
    ...     _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    ...     read_idx_of(path, (3,)).tolist()
    [5, 0, 4]
    """
    if not path.is_file():
        raise invalid(
            "path", "name a file", f"{path}, which is none", "check the path", FileNotFoundError
        )
    try:
        with _opened(path) as (file, most):
            shape, dtype, start = _idx_header(path, file)
            if expected is not None and (shape != expected or dtype != np.uint8):
                got = f"{dtype.newbyteorder('=')} of shape {shape}"
                corrupt(path, f"hold uint8 of shape {expected}", got)
            size = math.prod(shape) * dtype.itemsize
            rule = f"hold {start + size} bytes, as its header says (shape {shape})"
            if most < start + size:
                corrupt(path, rule, f"{most} bytes at most")
            content = _read_up_to(file, size + 1)
            if len(content) != size:
                got = f"{start + len(content)} bytes"
                corrupt(path, rule, got + " or more" * (len(content) > size))
    except _READ_ERRORS as error:
        corrupt(path, "be a complete gzip file", f"{type(error).__name__}: {error}")
    except MemoryError:
        corrupt(path, "fit into memory", f"shape {shape}")
    array = np.frombuffer(content, dtype).reshape(shape)
    return array if dtype.isnative else array.byteswap(inplace=True).view(dtype.newbyteorder("="))


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a file, decompressed where it is gzipped, with the most bytes that it can hold."""
    size = path.stat().st_size
    if _is_gzip(path):
        with gzip.open(path) as file:
            yield file, _DEFLATED * size
    else:
        with path.open("rb") as file:
            yield file, size


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == _GZIP_START


def _idx_header(path: Path, file: BinaryIO) -> tuple[tuple[int, ...], np.dtype, int]:
    """Return shape and type that an IDX file says it has, and the header's length."""
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0":
        rule = "start with the magic number of IDX, 00 00 <type> <axes>"
        corrupt(path, rule, f"{magic.hex(' ') or 'nothing'}")
    code, n_axes = magic[2], magic[3]
    if code not in _IDX_TYPES:
        known = ", ".join(f"{known:02x}" for known in _IDX_TYPES)
        corrupt(path, f"have one of the IDX type codes {known}", f"{code:02x}")
    if n_axes > 64:
        corrupt(path, "have at most 64 axes", f"{n_axes}")
    lengths = file.read(4 * n_axes)
    start = 4 + 4 * n_axes
    if len(lengths) < 4 * n_axes:
        corrupt(path, f"have a header of {start} bytes", f"{4 + len(lengths)} bytes")
    shape = tuple(int(length) for length in np.frombuffer(lengths, ">u4"))
    return shape, np.dtype(_IDX_TYPES[code]), start


def _read_up_to(file: BinaryIO, size: int) -> bytearray:
    """Read at most so many bytes, in pieces: what is not there is not allocated."""
    content = bytearray()
    while len(content) < size and (piece := file.read(min(size - len(content), _PIECE))):
        content += piece
    return content


def corrupt(path: Path, rule: str, value: str) -> NoReturn:
    """Raise the error of a file that is not what it should be."""
    raise invalid(str(path), rule, value, "download the file again")


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
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{name}.npy")
            size, most = member.file_size, 8 * math.prod(shape) + _NPY_HEADER
            if size <= most and member.compress_type in _ZIPPED:
                array = _npy_array(archive.read(member))
    except (*_READ_ERRORS, *_DECODE_ERRORS) as error:
        corrupt(
            path,
            f"be a complete .npz file with an array {name!r}",
            f"{type(error).__name__}: {first_line(error)}",
        )
    if member.compress_type not in _ZIPPED:
        corrupt(path, "be stored or deflated, as np.savez does", f"type {member.compress_type}")
    if size > most:
        corrupt(path, f"hold uint8 of shape {shape}", f"an array of {size:,} bytes")
    if array.shape != shape or array.dtype != np.uint8:
        corrupt(path, f"hold uint8 of shape {shape}", f"{array.dtype} of shape {array.shape}")
    return array


def _npy_array(content: bytes) -> np.ndarray:
    """Return the array of an .npy file, of which nothing is allocated on the word of its header."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _NPY_VERSIONS:
        raise ValueError(f"version {version} of the format")
    shape, fortran, dtype = _NPY_VERSIONS[version](file)
    count = math.prod(shape)
    if dtype.hasobject or any(length < 0 for length in shape):
        raise ValueError(f"{dtype} of shape {shape}")
    if len(content) - file.tell() != count * dtype.itemsize:
        raise ValueError(f"{len(content)} bytes for {dtype} of shape {shape}")
    array = np.frombuffer(bytearray(content[file.tell() :]), dtype)
    return array.reshape(shape, order="F" if fortran else "C")
