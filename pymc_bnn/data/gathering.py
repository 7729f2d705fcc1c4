"""What belongs to rows, such as a latent's parameters: gathered for those of a batch, put back."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import jax

__all__ = ["ROWS", "gather", "put_back", "seen_by"]

ROWS = "numbers of the rows"  # beside the data of a batch: which ones they are


def gather(tree: Any, rows: Any) -> Any:
    """Return the entries of some rows, of the last one for numbers beyond it.

    Examples
    --------
    >>> import numpy as np
    >>> gather({"loc": np.arange(5.0)}, np.array([3, 1, 9]))["loc"].tolist()
    [3.0, 1.0, 4.0]
    """
    return jax.tree.map(lambda a: jax.numpy.asarray(a).at[rows].get(mode="clip"), tree)


def put_back(tree: Any, part: Any, rows: Any) -> Any:
    """Return a tree with other entries for some rows; numbers beyond the last row are left out.

    Examples
    --------
    >>> import numpy as np
    >>> put_back(np.zeros(3), np.array([7.0, 8.0]), np.array([1, 3])).tolist()
    [0.0, 7.0, 0.0]
    """
    return jax.tree.map(
        lambda a, own: jax.numpy.asarray(a).at[rows].set(own, mode="drop"), tree, part
    )


def seen_by(params: Any, names: Set[str], batch: Any) -> Any:
    """Return parameters of which those in `names` are gathered for the rows of a batch.

    Examples
    --------
    >>> import numpy as np
    >>> params = {"u": {"loc": np.arange(5.0)}, "b": {"loc": np.zeros(2)}}
    >>> found = seen_by(params, {"u"}, {ROWS: np.array([2])})
    >>> found["u"]["loc"].tolist(), found["b"]["loc"].tolist()
    ([2.0], [0.0, 0.0])
    """
    if ROWS not in batch:
        return params
    return {
        name: gather(own, batch[ROWS]) if name in names else own for name, own in params.items()
    }
