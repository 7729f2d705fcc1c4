"""MNIST, and what may be set beside it: spattered digits and KMNIST."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from pymc_bnn._checks import check_int, invalid
from pymc_bnn._warnings import unheard
from pymc_bnn.datasets.dataset import Dataset
from pymc_bnn.datasets.files import VARIABLE, corrupt, data_home, read_idx_of, read_npz

__all__ = ["load_kmnist_images", "load_mnist", "load_mnist_spatter"]

_MNIST_FILES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}


def load_mnist(
    data_home: str | os.PathLike | None = None, scale: float = 256, n_validation: int = 10_000
) -> tuple[Dataset, Dataset, Dataset]:
    """Load MNIST: 50,000 images to train, 10,000 to validate, 10,000 to test.

    The last `n_validation` of the 60,000 training images are the validation set. The four IDX files
    (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte,
    t10k-labels-idx1-ubyte, plain or gzipped with the suffix .gz) are read from the subfolder
    mnist of `data_home`, or from `data_home` itself. Only where none of them is there is the
    set fetched from OpenML, through scikit-learn, which keeps it in `data_home`.

    Parameters
    ----------
    data_home : path, optional
        Folder of the data. Default: `data_home()`.
    scale : float, optional
        What the pixels 0…255 are divided by, at least 255. Default 256.
    n_validation : int, optional
        How many of the 60,000 training images are held out to validate, in 1…59,999. Default
        10,000.

    Returns
    -------
    train, validation, test : Dataset
        Images (n, 28, 28, 1); the first two share memory.

    Raises
    ------
    FileNotFoundError
        If some of the files are missing, or all are and OpenML cannot be reached.
    ValueError, TypeError
        If a file is truncated or corrupt or does not hold what MNIST does, or an argument is
        out of range.

    References
    ----------
    LeCun, Y. et al. (1998). Gradient-based learning applied to document recognition.
    Proceedings of the IEEE 86(11), section III.

    Examples
    --------
    >>> load_mnist()  # doctest: +SKIP
    (Dataset(n=50000, image=(28, 28, 1), n_classes=10),
     Dataset(n=10000, image=(28, 28, 1), n_classes=10),
     Dataset(n=10000, image=(28, 28, 1), n_classes=10))

    Files that are there but incomplete are an error, not a reason to download:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "t10k-labels-idx1-ubyte").write_bytes(b"")
    ...     load_mnist(folder)
    Traceback (most recent call last):
    FileNotFoundError: `data_home` must hold all four MNIST files, got ...
    """
    scale = _check_scale(scale)
    held_out = check_int("n_validation", n_validation, 1, 59_999, "pass n_validation=10_000")
    home = _home(data_home)
    files = _mnist_files(home)
    if files is None:
        images, labels = _fetch_mnist(home)
        images_train, labels_train = images[:60_000], labels[:60_000]
        images_test, labels_test = images[60_000:], labels[60_000:]
    else:  # the small files first, so that their faults show early
        labels_test = _read_mnist(files, "t10k-labels-idx1-ubyte")
        labels_train = _read_mnist(files, "train-labels-idx1-ubyte")
        images_test = _read_mnist(files, "t10k-images-idx3-ubyte")
        images_train = _read_mnist(files, "train-images-idx3-ubyte")
    x, y = _scaled(images_train, scale), labels_train.astype(np.int64)
    return (
        Dataset(x[:-held_out], y[:-held_out], 10),
        Dataset(x[-held_out:], y[-held_out:], 10),
        Dataset(_scaled(images_test, scale), labels_test.astype(np.int64), 10),
    )


def load_mnist_spatter(data_home: str | os.PathLike | None = None, scale: float = 256) -> Dataset:
    """Load the MNIST test set under the corruption "spatter" of MNIST-C.

    Images come from mnist_c/spatter_test.npz in `data_home` (array `images`, uint8 of shape
    (10000, 28, 28), in the order of the MNIST test set), labels from where `load_mnist` finds
    them.

    Parameters
    ----------
    data_home : path, optional
        Folder of the data. Default: `data_home()`.
    scale : float, optional
        What the pixels 0…255 are divided by, at least 255. Default 256.

    Returns
    -------
    Dataset
        10,000 images (n, 28, 28, 1).

    Raises
    ------
    FileNotFoundError
        If the images or the labels are missing.
    ValueError, TypeError
        If a file is truncated or corrupt or does not hold what it should, or an argument is
        out of range.

    References
    ----------
    Mu, N. & Gilmer, J. (2019). MNIST-C: a robustness benchmark for computer vision.
    arXiv:1906.02337.

    Examples
    --------
    >>> load_mnist_spatter()  # doctest: +SKIP
    Dataset(n=10000, image=(28, 28, 1), n_classes=10)
    >>> load_mnist_spatter("no such folder")
    Traceback (most recent call last):
    FileNotFoundError: `data_home` must hold mnist_c/spatter_test.npz, got ...
    """
    scale = _check_scale(scale)
    home = _home(data_home)
    images = read_npz(home / "mnist_c" / "spatter_test.npz", "images", (10_000, 28, 28))
    files = _mnist_files(home)
    if files is None:
        labels = _fetch_mnist(home)[1][60_000:]
    else:
        labels = _read_mnist(files, "t10k-labels-idx1-ubyte")
    return Dataset(_scaled(images, scale), labels.astype(np.int64), 10)


def load_kmnist_images(
    data_home: str | os.PathLike | None = None, scale: float = 256
) -> np.ndarray:
    """Load Kuzushiji-MNIST test images: cursive Japanese, foreign to a digit classifier.

    Images come from kmnist/test_images.npz in `data_home` (array `arr_0`, uint8 of shape
    (10000, 28, 28)). They have no label among the digits, so none is returned.

    Parameters
    ----------
    data_home : path, optional
        Folder of the data. Default: `data_home()`.
    scale : float, optional
        What the pixels 0…255 are divided by, at least 255. Default 256.

    Returns
    -------
    numpy.ndarray of float32, shape (10000, 28, 28, 1)
        Images, in [0, 1].

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError, TypeError
        If it is truncated or corrupt or does not hold what it should, or an argument is out of
        range.

    References
    ----------
    Clanuwat, T. et al. (2018). Deep learning for classical Japanese literature.
    arXiv:1812.01718.

    Examples
    --------
    >>> load_kmnist_images().shape  # doctest: +SKIP
    (10000, 28, 28, 1)
    >>> load_kmnist_images("no such folder")
    Traceback (most recent call last):
    FileNotFoundError: `data_home` must hold kmnist/test_images.npz, got ...
    """
    scale = _check_scale(scale)
    path = _home(data_home) / "kmnist" / "test_images.npz"
    return _scaled(read_npz(path, "arr_0", (10_000, 28, 28)), scale)


def _home(folder: str | os.PathLike | None) -> Path:
    """Return the folder asked for, or the default one."""
    return data_home() if folder is None else Path(folder).expanduser()


def _mnist_files(home: Path) -> dict[str, Path] | None:
    """Return where the four files are, None where none is, an error where some are."""
    partly: list[tuple[Path, list[str]]] = []
    for folder in (home / "mnist", home):
        found = {
            name: path
            for name in _MNIST_FILES
            for path in (folder / f"{name}.gz", folder / name)  # the plain file wins
            if path.is_file()
        }
        if len(found) == len(_MNIST_FILES):
            return found
        if found:
            partly.append((folder, [name for name in _MNIST_FILES if name not in found]))
    if partly:
        folder, missing = partly[0]
        raise invalid(
            "data_home",
            "hold all four MNIST files",
            f"{folder} without {', '.join(missing)}",
            "add them, plain or gzipped (.gz)",
            FileNotFoundError,
        )
    return None


def _read_mnist(files: dict[str, Path], name: str) -> np.ndarray:
    """Return one of the four arrays, uint8, checked against what MNIST has."""
    shape = _MNIST_FILES[name]
    array = read_idx_of(files[name], shape)
    if len(shape) == 1 and array.max() > 9:
        corrupt(files[name], "hold labels in 0…9", f"a label {array.max()}")
    return array


def _fetch_mnist(home: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (70000, 28, 28) and labels (70000,), both uint8, from OpenML."""
    from sklearn.datasets import fetch_openml

    try:
        with unheard(category=UserWarning):  # one per network retry
            fetched = fetch_openml("mnist_784", version=1, as_frame=False, data_home=str(home))
        images = np.asarray(fetched.data)
        labels = np.asarray(fetched.target).astype(np.int64)
        if images.shape != (70_000, 784) or labels.shape != (70_000,):
            raise ValueError(f"images of shape {images.shape}, labels of shape {labels.shape}")
        if images.min() < 0 or images.max() > 255 or labels.min() < 0 or labels.max() > 9:
            raise ValueError("pixels outside 0…255 or labels outside 0…9")
    except Exception as error:
        raise invalid(
            "data_home",
            f"hold the MNIST files {', '.join(_MNIST_FILES)} (plain or .gz)",
            f"none of them in {home / 'mnist'} or {home}, and OpenML failed"
            f" ({type(error).__name__}: {error})",
            f"put them there, or set the environment variable {VARIABLE} to their folder",
            FileNotFoundError,
        ) from None
    return images.astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.uint8)


def _scaled(images: np.ndarray, scale: float) -> np.ndarray:
    """Return uint8 images (n, h, w) divided by `scale`, float32 with a channel axis."""
    return np.divide(images, np.float32(scale), dtype=np.float32)[..., None]


def _check_scale(scale: Any) -> float:
    """Return the divisor of the pixels if it brings them into [0, 1]."""
    try:
        fits = 255 <= scale < math.inf
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise invalid(
            "scale", "be a finite number of at least 255", repr(scale), "pass scale=255 or 256"
        )
    return float(scale)
