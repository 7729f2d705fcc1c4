"""Images with their labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pymc_bnn._checks import invalid, set_int

__all__ = ["Dataset"]


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
        set_int(self, "n_classes", 2, None, "pass the number of classes")
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
        >>> from pymc_bnn.datasets import load_digits
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
