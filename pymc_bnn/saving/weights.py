"""Weights that others have saved: arrays by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from pymc_bnn._checks import first_line, invalid
from pymc_bnn.errors import DamagedError
from pymc_bnn.saving.arrays import read_arrays

__all__ = ["read_weights"]

_IN_FOLDER = "model.safetensors"  # of pytensor-ml's `save_pretrained`, and of others


def read_weights(path: Any) -> dict[str, np.ndarray]:
    """Return the weights of a trained network by name, from a file.

    They are what ``fit(start=…)``, ``pm.do`` and :func:`pymc_bnn.priors.from_weights` take. Nothing
    in the file is run.

    Parameters
    ----------
    path : path
        A ``.safetensors`` file, such as pytensor-ml's ``save_state`` writes; a folder of its
        ``save_pretrained``, or another one with a ``model.safetensors``; or an ``.npz`` file.

    Returns
    -------
    dict from str to ndarray
        As they are in the file, but for floats of half precision, which become float32. Layers of
        pytensor-ml without a name have the numbers that :func:`pymc_bnn.bayesian` gives them.
        Networks of other libraries call and lay out their arrays otherwise: torch's ``fc1.weight``
        is ``{"fc1_W": arrays["fc1.weight"].T}`` here.

    Raises
    ------
    ValueError
        If there is no such file, or it is of another kind.
    DamagedError
        If it does not hold arrays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.savez(Path(folder, "trained.npz"), dense1_W=np.ones((2, 3)))
    ...     read_weights(Path(folder, "trained.npz"))["dense1_W"].shape
    (2, 3)
    """
    given = Path(path)
    file = given / _IN_FOLDER if given.is_dir() else given
    rule = "be a .safetensors or .npz file, or a folder with model.safetensors"
    if file.suffix not in (".safetensors", ".npz"):
        raise invalid("path", rule, f"'{given}'", "save the arrays as one of them")
    if not file.is_file():
        raise invalid("path", rule, f"'{given}', where none is", "look for it elsewhere")
    arrays = read_arrays(file) if file.suffix == ".safetensors" else _read_npz(file)
    half = {name: a for name, a in arrays.items() if a.dtype.name in ("float16", "bfloat16")}
    return {**arrays, **{name: a.astype("float32") for name, a in half.items()}}


def _read_npz(file: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(file, allow_pickle=False) as held:
            return dict(held)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        rule, got = "hold arrays of numbers", f"'{file}' ({first_line(error)})"
        raise invalid("path", rule, got, "take another copy of it", DamagedError) from error
