"""Digits, MNIST from IDX files and OpenML, npz files and noise; each broken file is one error."""

from __future__ import annotations

import gzip
import math
import os
import shutil
import struct
import subprocess
import sys
import urllib.error
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import sklearn.datasets

from pymc_bnn import datasets
from pymc_bnn.datasets import Dataset

TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_X, TEST_Y = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
NAMES = (TRAIN_X, TRAIN_Y, TEST_X, TEST_Y)


def idx_bytes(array, code=0x08, kind="B"):
    """An IDX file written number by number."""
    header = struct.pack(">BBBB", 0, 0, code, array.ndim)
    header += struct.pack(f">{array.ndim}I", *array.shape)
    return header + struct.pack(f">{array.size}{kind}", *array.ravel().tolist())


def idx_of_uint8(array):
    """The same for many bytes."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def numbered_images(start, n):
    """Images that carry their number in the first two pixels."""
    images = np.zeros((n, 28, 28), np.uint8)
    number = np.arange(start, start + n)
    images[:, 0, 0], images[:, 0, 1] = number % 256, number // 256
    images[:, 27, 27] = 255
    return images


def label_of(number):
    """The label of the image of that place among the 70,000; no two blocks of 10,000 agree."""
    return (number * 7 + number // 10_000) % 10


def numbers_of(x, scale):
    """The numbers those images carry."""
    first, second = x[:, 0, 0, 0] * scale, x[:, 0, 1, 0] * scale
    return np.rint(first + 256 * second).astype(int)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail where a test reaches for the network without saying so."""

    def refuse(*args, **kwargs):
        pytest.fail("fetch_openml was called")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", refuse)


@pytest.fixture(scope="module")
def made_up():
    """The four arrays of a set shaped as MNIST: image i is labelled `label_of(i)`."""
    label = label_of(np.arange(70_000)).astype(np.uint8)
    return {
        TRAIN_X: numbered_images(0, 60_000),
        TRAIN_Y: label[:60_000],
        TEST_X: numbered_images(60_000 - 256 * 100, 10_000),  # numbers from 34,400
        TEST_Y: label[60_000:],
    }


@pytest.fixture(scope="module")
def gzipped(made_up, tmp_path_factory):
    """A folder with the four files, gzipped; tests copy it before they break it."""
    folder = tmp_path_factory.mktemp("gzipped")
    for name, array in made_up.items():
        content = gzip.compress(idx_of_uint8(array), compresslevel=1)
        Path(folder, f"{name}.gz").write_bytes(content)
    return folder


@pytest.fixture
def mnist(gzipped, tmp_path):
    """A data folder of one's own, with the subfolder mnist."""
    shutil.copytree(gzipped, tmp_path / "mnist")
    return tmp_path


def check_made_up(parts, scale=256):
    train, validation, test = parts
    assert [len(part) for part in parts] == [50_000, 10_000, 10_000]
    for part, start in ((train, 0), (validation, 50_000)):
        number = np.arange(start, start + len(part))
        assert (numbers_of(part.x, scale) == number).all()
        assert (part.y == label_of(number)).all()
    assert (numbers_of(test.x, scale) == np.arange(34_400, 44_400)).all()
    assert (test.y == label_of(np.arange(60_000, 70_000))).all()
    for part in parts:
        assert part.x.shape == (len(part), 28, 28, 1)
        assert part.x.dtype == np.float32
        assert part.y.dtype == np.int64
        assert part.n_classes == 10
        assert (part.x[:, 27, 27, 0] == np.float32(255 / scale)).all()


# ---------------------------------------------------------------- Dataset


def small(n=4):
    x = np.linspace(0, 1, n * 6, dtype=np.float32).reshape(n, 2, 3, 1)
    return Dataset(x, np.arange(n) % 2, 2)


def test_a_dataset_is_short_to_look_at_and_frozen():
    data = small()
    assert len(data) == 4
    assert repr(data) == "Dataset(n=4, image=(2, 3, 1), n_classes=2)"
    with pytest.raises(AttributeError):
        data.y = np.zeros(4, np.int64)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, 3), [1, 2]),
        (slice(None, None, -1), [3, 2, 1, 0]),
        ([3, 0, 0], [3, 0, 0]),
        (np.array([False, True, False, True]), [1, 3]),
        (-1, [3]),
    ],
)
def test_a_subset_keeps_images_with_their_labels(index, rows):
    data = small()
    part = data.subset(index)
    assert part.x.tolist() == [data.x[row].tolist() for row in rows]
    assert part.y.tolist() == [row % 2 for row in rows]
    assert part.n_classes == 2


def test_a_slice_shares_memory():
    data = small()
    assert np.shares_memory(data.subset(slice(0, 2)).x, data.x)


@pytest.mark.parametrize(
    ("index", "match"),
    [
        ([4], "`index` must fit 4 images, got .*out of bounds"),
        ([True, False], "`index` must fit 4 images, got boolean index"),
        (1.0, "`index` must fit 4 images"),
        ([], r"`index` must pick at least one image .* got \(0,\)"),
        (slice(4, None), r"`index` must pick at least one image .* got \(0,\)"),
        (None, r"`index` must pick at least one image along the first axis, got \(1, 4\)"),
    ],
)
def test_bad_subsets(index, match):
    with pytest.raises(ValueError, match=match):
        small().subset(index)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": [[0.0]]}, TypeError, "`x` must be an array of float32, got list"),
        ({"x": np.zeros((4, 2, 3, 1))}, TypeError, "`x` must be an array of float32, got float64"),
        ({"x": np.zeros((4, 2, 3), "f4")}, ValueError, r"`x` must have shape .* \(4, 2, 3\)"),
        ({"x": np.zeros((0, 2, 3, 1), "f4")}, ValueError, r"`x` .* got shape \(0, 2, 3, 1\)"),
        ({"x": np.full((4, 2, 3, 1), 2, "f4")}, ValueError, r"`x` must lie in \[0, 1\], got 2…2"),
        ({"x": np.full((4, 2, 3, 1), -1, "f4")}, ValueError, "`x` must lie .* got -1…-1"),
        ({"x": np.full((4, 2, 3, 1), np.nan, "f4")}, ValueError, "`x` must lie .* got nan"),
        ({"y": np.zeros(4)}, TypeError, "`y` must be an array of int64, got float64"),
        ({"y": np.zeros(3, int)}, ValueError, r"`y` must have shape \(4,\).* got shape \(3,\)"),
        ({"y": np.array([0, 1, 2, 0])}, ValueError, "`y` must hold .* 0…1, got values in 0…2"),
        ({"y": np.array([0, 1, -1, 0])}, ValueError, "`y` must hold .* got values in -1…1"),
        ({"n_classes": 1}, ValueError, "`n_classes` must be an integer of at least 2, got 1"),
        ({"n_classes": 2.0}, TypeError, "`n_classes` must be an integer"),
    ],
)
def test_bad_datasets(change, error, match):
    data = small()
    with pytest.raises(error, match=match):
        Dataset(**({"x": data.x, "y": data.y, "n_classes": 2} | change))


# ---------------------------------------------------------------- digits


def test_digits_are_those_of_scikit_learn_each_once():
    train, test = datasets.load_digits()
    assert (len(train), len(test)) == (1437, 360)
    original = sklearn.datasets.load_digits()
    want = sorted((image.tobytes(), label) for image, label in zip(
        original.images.astype(np.uint8), original.target.tolist(), strict=True))  # fmt: skip
    got = sorted(
        ((16 * image[..., 0]).astype(np.uint8).tobytes(), label)
        for part in (train, test)
        for image, label in zip(part.x, part.y.tolist(), strict=True)
    )
    assert got == want
    for part in (train, test):
        assert part.x.shape[1:] == (8, 8, 1)
        assert part.x.max() == 1.0


def test_digits_are_split_with_equal_class_shares():
    train, test = datasets.load_digits(test_size=0.25, random_seed=3)
    assert len(test) == math.ceil(0.25 * 1797)
    counts = np.bincount(sklearn.datasets.load_digits().target)
    assert (np.abs(np.bincount(test.y) - 0.25 * counts) < 1.5).all()
    assert (np.bincount(train.y) + np.bincount(test.y) == counts).all()


def test_digits_are_split_by_the_seed():
    first = datasets.load_digits(random_seed=1)[1]
    assert (first.x == datasets.load_digits(random_seed=1)[1].x).all()
    assert (first.x != datasets.load_digits(random_seed=2)[1].x).any()
    one, two = (
        datasets.load_digits(random_seed=np.random.default_rng(seed))[1].x for seed in (9, 9)
    )
    assert (one == two).all()
    generator = np.random.default_rng(9)
    datasets.load_digits(random_seed=generator)
    assert (datasets.load_digits(random_seed=generator)[1].x != one).any()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"test_size": 0}, ValueError, r"`test_size` must be a share in \(0, 1\) .* got 0"),
        ({"test_size": 1.0}, ValueError, "`test_size` .* got 1.0"),
        ({"test_size": 360}, ValueError, "`test_size` .* got 360"),
        ({"test_size": 0.005}, ValueError, "leaves 10 of 1797 images or more .* got 0.005"),
        ({"test_size": 0.995}, ValueError, "leaves 10 of 1797 images or more .* got 0.995"),
        ({"test_size": float("nan")}, ValueError, "`test_size` .* got nan"),
        ({"test_size": "0.2"}, ValueError, "`test_size` .* got '0.2'"),
        ({"random_seed": -1}, ValueError, "`random_seed` must be an integer in 0….*got -1"),
        ({"random_seed": 2**32}, ValueError, "`random_seed` must be an integer in 0…4294967295"),
        ({"random_seed": None}, TypeError, "`random_seed` .* got None"),
    ],
)
def test_bad_digit_options(options, error, match):
    with pytest.raises(error, match=match):
        datasets.load_digits(**options)


# ---------------------------------------------------------------- data_home


def test_data_home_is_the_environment_variable_or_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("PYMC_BNN_DATA", str(tmp_path))
    assert datasets.data_home() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYMC_BNN_DATA", "~/mine")
    assert datasets.data_home() == tmp_path / "mine"
    for unset in (True, False):
        if unset:
            monkeypatch.delenv("PYMC_BNN_DATA")
        else:
            monkeypatch.setenv("PYMC_BNN_DATA", "")
        assert datasets.data_home() == tmp_path / ".cache" / "pymc_bnn"


# ---------------------------------------------------------------- IDX files

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


# ---------------------------------------------------------------- MNIST from files


def test_mnist_from_gzipped_files_in_the_subfolder(mnist):
    check_made_up(datasets.load_mnist(mnist))


def test_mnist_from_plain_files_in_the_folder_itself(made_up, tmp_path, monkeypatch):
    for name, array in made_up.items():
        (tmp_path / name).write_bytes(idx_of_uint8(array))
    monkeypatch.setenv("PYMC_BNN_DATA", str(tmp_path))
    check_made_up(datasets.load_mnist(scale=255), scale=255)


def test_a_complete_folder_wins_over_an_incomplete_subfolder(gzipped, tmp_path):
    for path in gzipped.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / TRAIN_Y).write_bytes(b"broken")
    train, _, _ = datasets.load_mnist(tmp_path)
    assert train.y[:4].tolist() == [0, 7, 4, 1]


@pytest.mark.parametrize("name", NAMES)
def test_one_missing_file_is_named(mnist, name):
    (mnist / "mnist" / f"{name}.gz").unlink()
    match = rf"`data_home` must hold all four MNIST files, got {mnist / 'mnist'} without {name};"
    with pytest.raises(FileNotFoundError, match=match):
        datasets.load_mnist(mnist)


def test_all_missing_files_are_named(gzipped, tmp_path):
    shutil.copy(gzipped / f"{TEST_X}.gz", tmp_path)
    match = rf"got {tmp_path} without {TRAIN_X}, {TRAIN_Y}, {TEST_Y}; add them"
    with pytest.raises(FileNotFoundError, match=match):
        datasets.load_mnist(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", ["cut", "not gzip", "type", "fewer", "one axis more"])
def test_each_broken_file_is_named(mnist, made_up, name, how):
    path = mnist / "mnist" / f"{name}.gz"
    array = made_up[name]
    content, match = {
        "cut": (path.read_bytes()[:-20], "must be a complete gzip file"),
        "not gzip": (b"404: Not Found", "must start with the magic number .* got 34 30 34 3a"),
        "type": (idx_bytes(array[:2], 0x0C, "i"), "must hold uint8 of shape .* got int32"),
        "fewer": (idx_of_uint8(array[:9_999]), rf"shape \({len(array)},.* uint8 of shape \(9999,"),
        "one axis more": (idx_of_uint8(array[None, :5]), r"got uint8 of shape \(1, 5"),
    }[how]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}.gz` .*{match}"):
        datasets.load_mnist(mnist)


def test_labels_and_images_swapped_are_an_error(mnist):
    for images, labels in ((TRAIN_X, TRAIN_Y), (TEST_X, TEST_Y)):
        one, two = mnist / "mnist" / f"{images}.gz", mnist / "mnist" / f"{labels}.gz"
        one.rename(mnist / "aside")
        two.rename(one)
        (mnist / "aside").rename(two)
    match = rf"{TEST_Y}.gz` must hold uint8 of shape \(10000,\), got .* \(10000, 28, 28\)"
    with pytest.raises(ValueError, match=match):
        datasets.load_mnist(mnist)


def test_a_label_above_nine_is_an_error(mnist):
    labels = np.full(10_000, 10, np.uint8)
    (mnist / "mnist" / f"{TEST_Y}.gz").write_bytes(gzip.compress(idx_of_uint8(labels)))
    with pytest.raises(ValueError, match=f"{TEST_Y}.gz` must hold labels in 0…9, got a label 10"):
        datasets.load_mnist(mnist)


@pytest.mark.parametrize("scale", [254, 0, -256, float("nan"), float("inf"), "256", None])
@pytest.mark.parametrize(
    "load", [datasets.load_mnist, datasets.load_mnist_spatter, datasets.load_kmnist_images]
)
def test_bad_scales(tmp_path, load, scale):
    with pytest.raises(ValueError, match=f"`scale` must be .* at least 255, got {scale!r}"):
        load(tmp_path, scale=scale)


# ---------------------------------------------------------------- MNIST from OpenML


@pytest.mark.parametrize("as_text", [True, False])
def test_without_files_mnist_comes_from_openml(made_up, tmp_path, monkeypatch, as_text):
    asked = {}

    def fetch(name, **options):
        asked.update(options, name=name)
        images = np.concatenate([made_up[TRAIN_X], made_up[TEST_X]]).reshape(-1, 784)
        labels = np.concatenate([made_up[TRAIN_Y], made_up[TEST_Y]])
        return SimpleNamespace(
            data=images if as_text else images.astype(np.float32),
            target=labels.astype(str).astype(object) if as_text else labels,
        )

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    check_made_up(datasets.load_mnist(tmp_path))
    assert asked == {
        "name": "mnist_784",
        "version": 1,
        "as_frame": False,
        "data_home": str(tmp_path),
    }


def test_neither_files_nor_network_is_one_error(tmp_path, monkeypatch):
    def fetch(*args, **kwargs):
        import warnings

        warnings.warn("A network error occurred while downloading", UserWarning, stacklevel=2)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    with pytest.raises(FileNotFoundError) as error:
        datasets.load_mnist(tmp_path)
    text = str(error.value)
    assert text.startswith("`data_home` must hold the MNIST files train-images-idx3-ubyte, ")
    for part in (*NAMES, str(tmp_path / "mnist"), "no route to host", "PYMC_BNN_DATA"):
        assert part in text
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__


@pytest.mark.parametrize(
    ("n", "pixel", "label", "match"),
    [
        (69_999, 0, 3, r"images of shape \(69999, 784\)"),
        (70_000, 0, 10, "labels outside 0…9"),
        (70_000, 256, 3, "pixels outside 0…255"),
        (70_000, 0, "x", "invalid literal"),
    ],
)
def test_something_else_from_openml_is_an_error(tmp_path, monkeypatch, n, pixel, label, match):
    images = np.broadcast_to(np.int16(pixel), (n, 784))
    fetched = SimpleNamespace(data=images, target=np.broadcast_to(np.array(label), (n,)))
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *args, **options: fetched)
    with pytest.raises(FileNotFoundError, match=f"OpenML failed .*{match}"):
        datasets.load_mnist(tmp_path)


# ---------------------------------------------------------------- npz files


def write_spatter(home, images):
    (home / "mnist_c").mkdir()
    np.savez_compressed(home / "mnist_c" / "spatter_test.npz", images=images)


def test_spatter_has_its_images_and_the_labels_of_the_test_set(mnist):
    write_spatter(mnist, numbered_images(5, 10_000))
    data = datasets.load_mnist_spatter(mnist, scale=255)
    assert (numbers_of(data.x, 255) == np.arange(5, 10_005)).all()
    assert (data.y == label_of(np.arange(60_000, 70_000))).all()
    assert data.x.max() == 1.0


def test_spatter_without_mnist_files_takes_labels_from_openml(tmp_path, made_up, monkeypatch):
    labels = np.concatenate([made_up[TRAIN_Y], made_up[TEST_Y][::-1]])
    fetched = SimpleNamespace(data=np.zeros((70_000, 784), np.uint8), target=labels)
    monkeypatch.setattr(sklearn.datasets, "fetch_openml", lambda *args, **options: fetched)
    write_spatter(tmp_path, numbered_images(0, 10_000))
    data = datasets.load_mnist_spatter(tmp_path)
    assert (data.y == label_of(np.arange(69_999, 59_999, -1))).all()


def test_spatter_with_some_mnist_files_names_the_missing(mnist):
    write_spatter(mnist, numbered_images(0, 10_000))
    (mnist / "mnist" / f"{TEST_Y}.gz").unlink()
    with pytest.raises(FileNotFoundError, match=f"without {TEST_Y};"):
        datasets.load_mnist_spatter(mnist)


def test_kmnist_images_are_read_as_they_are(tmp_path):
    (tmp_path / "kmnist").mkdir()
    np.savez(tmp_path / "kmnist" / "test_images.npz", numbered_images(9, 10_000))
    x = datasets.load_kmnist_images(tmp_path)
    assert x.shape == (10_000, 28, 28, 1)
    assert x.dtype == np.float32
    assert (numbers_of(x, 256) == np.arange(9, 10_009)).all()


NPZ = {
    "kmnist/test_images.npz": (datasets.load_kmnist_images, "arr_0"),
    "mnist_c/spatter_test.npz": (datasets.load_mnist_spatter, "images"),
}


@pytest.mark.parametrize("where", NPZ)
def test_missing_npz_files(tmp_path, where):
    match = rf"`data_home` must hold {where}, got {tmp_path} without it; .* PYMC_BNN_DATA"
    with pytest.raises(FileNotFoundError, match=match):
        NPZ[where][0](tmp_path)


@pytest.mark.parametrize("where", NPZ)
@pytest.mark.parametrize(
    "how", ["empty", "text", "cut", "flipped", "other name", "shape", "type", "pickle", "no array"]
)
def test_broken_npz_files(tmp_path, where, how):
    load, name = NPZ[where]
    path = tmp_path / where
    path.parent.mkdir()
    array = np.zeros((10_000, 28, 28), np.uint8)
    complete = f"must be a complete .npz file with an array '{name}'"
    match = complete
    if how in ("empty", "text"):
        path.write_bytes(b"" if how == "empty" else b"404: Not Found")
    elif how == "no array":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}.npy", b"not an array")
    else:
        if how == "other name":
            name = "other"
        if how == "shape":
            array, match = array[:9], r"must hold uint8 of shape \(10000, 28, 28\), got uint8 of"
        if how == "type":
            array, match = array.astype(np.int16), "must hold uint8 .* got int16 of shape"
        if how == "pickle":
            array = np.array([None, 1])
        np.savez(path, **{name: array})
        content = bytearray(path.read_bytes())
        if how == "cut":
            del content[len(content) // 2 :]
        if how == "flipped":
            content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{path.name}` {match}"):
        load(tmp_path)


# ---------------------------------------------------------------- noise


def test_normal_noise_is_standard_normal():
    x = datasets.noise_images(100, random_seed=1)
    assert x.shape == (100, 28, 28, 1)
    assert x.dtype == np.float32
    assert scipy.stats.kstest(x.ravel(), "norm").pvalue > 1e-3
    assert (x < 0).any()
    assert (x > 1).any()


def test_uniform_noise_is_uniform():
    x = datasets.noise_images(400, shape=(4, 5, 3), kind="uniform", random_seed=1)
    assert x.shape == (400, 4, 5, 3)
    assert x.dtype == np.float32
    assert scipy.stats.kstest(x.ravel(), "uniform").pvalue > 1e-3


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_noise_follows_its_seed(kind):
    first = datasets.noise_images(2, kind=kind, random_seed=3)
    generator = np.random.default_rng(3)
    assert (first == datasets.noise_images(2, kind=kind, random_seed=generator)).all()
    assert (first != datasets.noise_images(2, kind=kind, random_seed=generator)).any()
    assert (first != datasets.noise_images(2, kind=kind, random_seed=4)).any()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 0}, ValueError, "`n` must be an integer of at least 1, got 0"),
        ({"n": 1.5}, TypeError, "`n` must be an integer of at least 1, got 1.5"),
        ({"shape": 28}, TypeError, "`shape` must be a sequence of integers, got 28"),
        ({"shape": "28"}, TypeError, "`shape` must be a sequence of integers, got '28'"),
        ({"shape": (28, 0)}, ValueError, "`shape` must be an integer of at least 1, got 0"),
        ({"kind": "gauss"}, ValueError, "`kind` must be .* got 'gauss'"),
        ({"random_seed": -1}, ValueError, "`random_seed` .* got -1"),
        ({"random_seed": "1"}, TypeError, "`random_seed` .* got '1'"),
    ],
)
def test_bad_noise_options(options, error, match):
    with pytest.raises(error, match=match):
        datasets.noise_images(**({"n": 2} | options))


# ---------------------------------------------------------------- the real files


def real(*names):
    """Skip unless the real files are there."""
    home = datasets.data_home()
    absent = [n for n in names if not any((home / f"{n}{end}").is_file() for end in ("", ".gz"))]
    return pytest.mark.skipif(
        bool(absent), reason=f"no {', '.join(absent)} in the folder that PYMC_BNN_DATA names"
    )


MNIST = [f"mnist/{name}" for name in NAMES]
# Class counts of the test set and of the training file, as published with the data.
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


@real(*MNIST)
def test_real_mnist_has_its_published_figures():
    train, validation, test = datasets.load_mnist(scale=255)
    assert [len(part) for part in (train, validation, test)] == [50_000, 10_000, 10_000]
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.y[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert np.bincount(test.y).tolist() == TEST_COUNTS
    assert (np.bincount(train.y) + np.bincount(validation.y)).tolist() == TRAIN_COUNTS
    mean = (5 * train.x.mean(dtype=float) + validation.x.mean(dtype=float)) / 6
    square = (5 * np.square(train.x).mean(dtype=float) + np.square(validation.x).mean()) / 6
    assert mean == pytest.approx(0.1307, abs=5e-5)
    assert math.sqrt(square - mean**2) == pytest.approx(0.3081, abs=5e-5)
    more, fewer, same = datasets.load_mnist(scale=255, n_validation=5000)
    assert (len(more), len(fewer), len(same)) == (55_000, 5_000, 10_000)
    assert (fewer.x == validation.x[5000:]).all()
    assert (more.y[50_000:] == validation.y[:5000]).all()


@real(*MNIST, "mnist_c/spatter_test.npz")
def test_real_spatter_is_the_test_set_in_order():
    spattered = datasets.load_mnist_spatter()
    assert np.bincount(spattered.y).tolist() == TEST_COUNTS
    clean = datasets.load_mnist()[2]
    assert (spattered.y == clean.y).all()
    a, b = (data.x[:500].reshape(500, -1) for data in (clean, spattered))
    correlation = np.corrcoef(a, b)[:500, 500:]  # (clean, spattered)
    assert (correlation.argmax(1) == np.arange(500)).mean() > 0.9  # out of order: 0.002


@real(*MNIST, "kmnist/test_images.npz")
def test_real_kmnist_is_foreign_to_mnist():
    x = datasets.load_kmnist_images(scale=255)
    assert x.max() == 1.0
    assert 0.15 < x.mean() < 0.22  # MNIST has 0.13


def test_imports_alone():
    code = (
        "import sys, pymc_bnn.datasets\n"
        "print([m for m in ('pymc', 'pytensor', 'jax', 'pandas', 'scipy', 'sklearn', 'arviz')"
        " if m in sys.modules])"
    )
    environment = {**os.environ, "PYMC_BNN_DATA": "nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "[]"
