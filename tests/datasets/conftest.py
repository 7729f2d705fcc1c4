"""What tests of data sets share: no network, and a made-up MNIST."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets

from tests.support.mnist_files import (
    TEST_X,
    TEST_Y,
    TRAIN_X,
    TRAIN_Y,
    idx_of_uint8,
    label_of,
    numbered_images,
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Fail where a test reaches for the network without saying so."""

    def refuse(*args, **kwargs):
        pytest.fail("fetch_openml was called")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", refuse)


@pytest.fixture(scope="session")
def made_up():
    """Four arrays shaped as MNIST, to be read only: image i is labelled `label_of(i)`."""
    label = label_of(np.arange(70_000)).astype(np.uint8)
    return {
        TRAIN_X: numbered_images(0, 60_000),
        TRAIN_Y: label[:60_000],
        TEST_X: numbered_images(60_000 - 256 * 100, 10_000),  # numbers from 34,400
        TEST_Y: label[60_000:],
    }


@pytest.fixture(scope="session")
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
