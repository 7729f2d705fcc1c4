"""Spattered and foreign images from npz files; each broken file is one error."""

from __future__ import annotations

import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.datasets

from pymc_bnn import datasets
from tests.support.mnist_files import TEST_Y, TRAIN_Y, label_of, numbered_images, numbers_of


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
