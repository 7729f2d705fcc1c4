"""The digits that scikit-learn carries."""

from __future__ import annotations

import math

import numpy as np

from pymc_bnn._checks import check_seed, invalid
from pymc_bnn.datasets.dataset import Dataset

__all__ = ["load_digits"]


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
