"""Arrays as people have them: of other types, layouts and owners."""

import tempfile

import numpy as np
import pandas as pd
import xarray as xr

DTYPES = ["u1", "i1", "i2", "i4", "i8", "u2", "u4", "u8", "f2", "f4", "f8", ">f8", ">i4", "g", "?"]
EXTREMES = [0.0, -0.0, 1e30, -1e30, 1e-30, 5e-324, 1e-42, 1e300, np.nan, np.inf, 2.0**24 + 1]


def numbers(rng, shape):
    """Return an array of a random type."""
    dtype = np.dtype(DTYPES[int(rng.integers(len(DTYPES)))])
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 100, shape).astype(dtype)
    return rng.normal(size=shape).astype(dtype)


def laid_out(rng, array):
    """Return the same numbers in another layout: strided, reversed, read-only, mapped, Fortran."""
    kind = int(rng.integers(7))
    if kind == 0:
        return np.repeat(array, 2, axis=0)[::2]
    if kind == 1:
        return array[::-1].copy()[::-1]
    if kind == 2:
        array = array.copy()
        array.flags.writeable = False
    if kind == 3:
        return np.asfortranarray(array)
    if kind == 4 and array.size:
        with tempfile.NamedTemporaryFile() as file:
            mapped = np.memmap(file.name, array.dtype, "w+", shape=array.shape)
        mapped[:] = array
        return mapped
    if kind == 5 and array.ndim == 2 and len(array):
        return np.broadcast_to(array[:1], array.shape)
    return array


def owned(rng, array):
    """Return it as a list, table, labelled or masked array; and whether all of it can be read."""
    kind = int(rng.integers(9))
    if kind in (1, 2, 3) and array.ndim not in (1, 2):
        return array, True
    table = pd.DataFrame if array.ndim == 2 else pd.Series
    if kind == 0:
        return array.tolist(), True
    if kind == 1:
        return table(array), True
    if kind == 2 and array.dtype.kind in "iu":
        frame = table(array.astype("i8"))
        return frame.astype("Int64"), True
    if kind == 3 and array.dtype.kind in "iu" and array.size:
        frame = table(array.astype("i8")).astype("Int64")
        frame.iloc[(0,) * array.ndim] = pd.NA
        return frame, False
    if kind == 4:
        return xr.DataArray(array), True
    if kind == 5:
        return np.ma.masked_array(array, np.zeros(array.shape, bool)), True
    if kind == 6 and array.size:
        mask = np.zeros(array.shape, bool)
        mask[(0,) * array.ndim] = True
        return np.ma.masked_array(array, mask), False
    if kind == 7 and array.size:
        return array.astype(complex) + 1j, False
    if kind == 8 and array.size:
        return array.astype(str).astype(object), None  # text that looks like numbers: as it may be
    return array, True
