"""Operations that stand in graphs on their way to JAX, and nowhere else."""

from __future__ import annotations

from typing import Any

from pytensor.graph.basic import Apply
from pytensor.graph.op import Op

__all__ = ["OnlyInJax"]


class OnlyInJax(Op):
    """An operation whose JAX function ``in_jax`` returns, and which PyTensor cannot compute.

    Examples
    --------
    >>> OnlyInJax().perform(None, (), ())
    Traceback (most recent call last):
        ...
    NotImplementedError: OnlyInJax runs in JAX only
    """

    __props__ = ()

    def perform(self, node: Apply, inputs: Any, outputs: Any) -> None:
        """Refuse."""
        raise NotImplementedError(f"{type(self).__name__} runs in JAX only")
