"""MNIST from IDX files and from OpenML; each broken file is one error."""

from __future__ import annotations

import gzip
import shutil
import urllib.error
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets

from pymc_bnn import datasets
from tests.support.mnist_files import (
    NAMES,
    TEST_X,
    TEST_Y,
    TRAIN_X,
    TRAIN_Y,
    idx_bytes,
    idx_of_uint8,
    label_of,
    numbers_of,
)


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


# MNIST from files --------------------------------------------------------------------------------


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


# MNIST from OpenML -------------------------------------------------------------------------------


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
