"""Images to classify: scikit-learn's digits, MNIST from IDX files, foreign images and noise.

Images have shape (n, height, width, 1), float32 in [0, 1]. Data files are looked for in
`data_home()`; every loader takes another folder as an argument.
"""

from pymc_bnn.datasets.dataset import Dataset
from pymc_bnn.datasets.digits import load_digits
from pymc_bnn.datasets.files import data_home, read_idx
from pymc_bnn.datasets.mnist import load_kmnist_images, load_mnist, load_mnist_spatter
from pymc_bnn.datasets.noise import noise_images

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


def __dir__() -> list[str]:  # what tab completion shows
    return sorted(__all__)
