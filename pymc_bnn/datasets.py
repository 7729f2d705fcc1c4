"""Images to classify: scikit-learn's digits, MNIST from IDX files, foreign images and noise.

Images have shape (n, height, width, 1), float32 in [0, 1]. Data files are looked for in
`data_home()`; every loader takes another folder as an argument.
"""

from __future__ import annotations

import gzip
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from pymc_bnn._checks import check_int, check_seed, invalid

__all__ = [
    "Dataset",
    "data_home",
    "load_digits",
    "load_kmnist_images",
    "load_mnist",
    "load_mnist_spatter",
    "noise_images",
    "read_idx",
]

_VARIABLE = "PYMC_BNN_DATA"
_MNIST_FILES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
_IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_READ_ERRORS = (OSError, EOFError, zlib.error)
_GZIP_START = b"\x1f\x8b"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and their labels, checked when made.

    Parameters
    ----------
    x : numpy.ndarray of float32, shape (n, height, width, channels)
        Images, in [0, 1].
    y : numpy.ndarray of int64, shape (n,)
        Labels in 0…n_classes − 1.
    n_classes : int
        Number of classes, at least 2.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, or the lengths of `x` and `y` differ.

    Examples
    --------
    >>> data = Dataset(np.zeros((3, 8, 8, 1), np.float32), np.array([0, 1, 0]), n_classes=2)
    >>> data
    Dataset(n=3, image=(8, 8, 1), n_classes=2)
    >>> len(data.subset(data.y == 0))
    2
    """

    x: np.ndarray
    y: np.ndarray
    n_classes: int

    def __post_init__(self) -> None:
        """Check shapes, types and ranges."""
        check_int("n_classes", self.n_classes, 2, None, "pass the number of classes")
        for name, array, dtype in (("x", self.x, np.float32), ("y", self.y, np.int64)):
            if not isinstance(array, np.ndarray) or array.dtype != dtype:
                got = getattr(array, "dtype", type(array).__name__)
                repair = f"convert it with numpy.asarray({name}, dtype='{np.dtype(dtype)}')"
                raise invalid(
                    name, f"be an array of {np.dtype(dtype)}", f"{got}", repair, TypeError
                )
        if self.x.ndim != 4 or self.x.size == 0:
            raise invalid(
                "x",
                "have shape (n, height, width, channels), none of them 0",
                f"shape {self.x.shape}",
                "add the channel axis of grey images with `x[..., None]`",
            )
        low, high = self.x.min(), self.x.max()
        if not (low >= 0 and high <= 1):  # NaN fails too
            raise invalid("x", "lie in [0, 1]", f"{low:g}…{high:g}", "divide pixels by 255 or 256")
        if self.y.shape != self.x.shape[:1]:
            raise invalid(
                "y",
                f"have shape {self.x.shape[:1]}, one label per image",
                f"shape {self.y.shape}",
                "pass as many labels as images",
            )
        if self.y.min() < 0 or self.y.max() >= self.n_classes:
            raise invalid(
                "y",
                f"hold class numbers in 0…{self.n_classes - 1}",
                f"values in {self.y.min()}…{self.y.max()}",
                "number the classes from 0",
            )

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.y)

    def __repr__(self) -> str:
        """Return the sizes, not the pixels."""
        return f"Dataset(n={len(self)}, image={self.x.shape[1:]}, n_classes={self.n_classes})"

    def subset(self, index: Any) -> Dataset:
        """Return the images that `index` picks, in its order.

        Parameters
        ----------
        index : slice, int, array of int or boolean mask of shape (n,)
            As NumPy indexes the first axis; must pick at least one image.

        Returns
        -------
        Dataset
            With the same `n_classes`; a slice shares memory with this one.

        Raises
        ------
        ValueError
            If `index` does not fit or picks nothing.

        Examples
        --------
        >>> train, test = load_digits()
        >>> train.subset(slice(0, 100))
        Dataset(n=100, image=(8, 8, 1), n_classes=10)
        """
        repair = "pass a slice, integers below the length, or a boolean per image"
        try:
            rows = np.atleast_1d(np.arange(len(self))[index])
        except (IndexError, TypeError, ValueError) as error:
            raise invalid("index", f"fit {len(self)} images", error, repair) from None
        if rows.ndim != 1 or rows.size == 0:
            raise invalid(
                "index", "pick at least one image along the first axis", f"{rows.shape}", repair
            )
        where = index if isinstance(index, slice) else rows
        return Dataset(self.x[where], self.y[where], self.n_classes)


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
    return Path(os.environ.get(_VARIABLE) or Path("~", ".cache", "pymc_bnn")).expanduser()


def load_digits(
    test_size: float = 0.2, random_seed: int | np.random.Generator = 0
) -> tuple[Dataset, Dataset]:
    """Load scikit-learn's 1,797 handwritten digits, split at random with equal class shares.

    The set is part of scikit-learn: it needs no file and no network.

    Parameters
    ----------
    test_size : float, optional
        Share of the images in the test set, in (0, 1), leaving at least one image per class on
        each side. Default 0.2: 1,437 to train and 360 to test.
    random_seed : int or numpy.random.Generator, optional
        Seed of the split in 0…2³² − 1, or a generator, which is advanced. Default 0.

    Returns
    -------
    train, test : Dataset
        Images (n, 8, 8, 1): pixels 0…16 divided by 16.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range.

    References
    ----------
    Alpaydin, E. & Kaynak, C. (1998). Optical recognition of handwritten digits. UCI Machine
    Learning Repository (its test set).

    Examples
    --------
    >>> load_digits()
    (Dataset(n=1437, image=(8, 8, 1), n_classes=10), Dataset(n=360, image=(8, 8, 1), n_classes=10))
    """
    from sklearn.datasets import load_digits as sklearn_digits
    from sklearn.model_selection import train_test_split

    seed = check_seed(random_seed)
    images, labels = sklearn_digits(return_X_y=True)
    n, n_classes = len(labels), 10
    try:
        fits = 0.0 < test_size < 1.0 and n_classes <= math.ceil(test_size * n) <= n - n_classes
    except (TypeError, ValueError):
        fits = False
    if not fits:
        raise invalid(
            "test_size",
            f"be a share in (0, 1) that leaves {n_classes} of {n} images or more on each side",
            repr(test_size),
            "pass test_size=0.2",
        )
    if isinstance(seed, np.random.Generator):
        seed = int(seed.integers(2**32))
    x = (images / 16).astype(np.float32).reshape(-1, 8, 8, 1)
    x_train, x_test, y_train, y_test = train_test_split(
        x,
        labels.astype(np.int64),
        test_size=float(test_size),
        random_state=seed,
        stratify=labels,
    )
    return Dataset(x_train, y_train, n_classes), Dataset(x_test, y_test, n_classes)


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
    images = _read_npz(home / "mnist_c" / "spatter_test.npz", "images", (10_000, 28, 28))
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
    return _scaled(_read_npz(path, "arr_0", (10_000, 28, 28)), scale)


def noise_images(
    n: int,
    shape: Sequence[int] = (28, 28, 1),
    kind: str = "normal",
    random_seed: int | np.random.Generator = 0,
) -> np.ndarray:
    """Make images of pure noise, which a classifier should decline to name.

    Parameters
    ----------
    n : int
        Number of images, at least 1.
    shape : sequence of int, optional
        Shape of one image. Default (28, 28, 1).
    kind : {"normal", "uniform"}, optional
        Pixels from N(0, 1), the default, or uniform on [0, 1).
    random_seed : int or numpy.random.Generator, optional
        A non-negative seed, or a generator, which is advanced. Default 0.

    Returns
    -------
    numpy.ndarray of float32, shape (n, *shape)
        Independent pixels; those of kind "normal" lie outside [0, 1] as well.

    Raises
    ------
    ValueError, TypeError
        If an argument is out of range.

    Examples
    --------
    >>> noise_images(5, shape=(8, 8, 1), kind="uniform").shape
    (5, 8, 8, 1)
    """
    n = check_int("n", n, 1, None, "pass a positive integer")
    repair = "pass shape=(28, 28, 1), say"
    if not isinstance(shape, Sequence) or isinstance(shape, str):
        raise invalid("shape", "be a sequence of integers", repr(shape), repair, TypeError)
    size = (n, *(check_int("shape", length, 1, None, repair) for length in shape))
    if not isinstance(kind, str) or kind not in ("normal", "uniform"):
        raise invalid("kind", 'be "normal" or "uniform"', repr(kind), 'pass kind="normal"')
    generator = np.random.default_rng(check_seed(random_seed))
    draw = generator.standard_normal if kind == "normal" else generator.random
    return draw(size, dtype=np.float32)


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
        _corrupt(
            path,
            "start with the magic number of IDX, 00 00 <type> <axes>",
            f"{content[:4].hex(' ') or 'nothing'}",
        )
    code, n_axes = content[2], content[3]
    if code not in _IDX_TYPES:
        known = ", ".join(f"{known:02x}" for known in _IDX_TYPES)
        _corrupt(path, f"have one of the IDX type codes {known}", f"{code:02x}")
    if n_axes > 64:
        _corrupt(path, "have at most 64 axes", f"{n_axes}")
    start = 4 + 4 * n_axes
    if len(content) < start:
        _corrupt(path, f"have a header of {start} bytes", f"{len(content)} bytes")
    shape = tuple(int(length) for length in np.frombuffer(content, ">u4", n_axes, 4))
    dtype = np.dtype(_IDX_TYPES[code])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        _corrupt(
            path,
            f"hold {expected} bytes, as its header says (shape {shape})",
            f"{len(content)} bytes",
        )
    return (
        np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    )


def _corrupt(path: Path, rule: str, value: str) -> NoReturn:
    """Raise the error of a file that is not what it should be."""
    raise invalid(str(path), rule, value, "download the file again")


def _home(folder: str | os.PathLike | None) -> Path:
    """Return the folder asked for, or the default one."""
    return data_home() if folder is None else Path(folder).expanduser()


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
        _corrupt(path, "be a complete gzip file", f"{type(error).__name__}: {error}")


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
    array, shape = read_idx(files[name]), _MNIST_FILES[name]
    if array.shape != shape or array.dtype != np.uint8:
        _corrupt(
            files[name], f"hold uint8 of shape {shape}", f"{array.dtype} of shape {array.shape}"
        )
    if len(shape) == 1 and array.max() > 9:
        _corrupt(files[name], "hold labels in 0…9", f"a label {array.max()}")
    return array


def _fetch_mnist(home: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (70000, 28, 28) and labels (70000,), both uint8, from OpenML."""
    from sklearn.datasets import fetch_openml

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # one per network retry
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
            f"put them there, or set the environment variable {_VARIABLE} to their folder",
            FileNotFoundError,
        ) from None
    return images.astype(np.uint8).reshape(-1, 28, 28), labels.astype(np.uint8)


def _read_npz(path: Path, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one uint8 array of an .npz file, checked against its shape."""
    if not path.is_file():
        raise invalid(
            "data_home",
            f"hold {path.parent.name}/{path.name}",
            f"{path.parent.parent} without it",
            f"put the file there, or set the environment variable {_VARIABLE}",
            FileNotFoundError,
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (*_READ_ERRORS, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        _corrupt(
            path,
            f"be a complete .npz file with an array {name!r}",
            f"{type(error).__name__}: {error}",
        )
    if array.shape != shape or array.dtype != np.uint8:
        _corrupt(path, f"hold uint8 of shape {shape}", f"{array.dtype} of shape {array.shape}")
    return array


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
