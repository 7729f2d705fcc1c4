"""Where an iterable of batches is, and how to go on from there in another process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Where", "can_be_resumed", "one_shot", "reader_of", "resumed"]

# What torchdata's loaders and grain's iterators call it.
_PAIRS = ("state_dict", "load_state_dict"), ("get_state", "set_state")


@dataclass(frozen=True)
class Where:
    """How many batches were used, and a state of the iterable from a batch before or there.

    Without a state the batches before are read again, and skipped.

    Examples
    --------
    >>> Where(number=12).state is None
    True
    """

    number: int  # batches that were used
    of: int = 0  # batches before the state
    visit: int = 0  # the pass over the data that the state belongs to
    state: Any = None


def reader_of(thing: Any) -> Callable[[], Any] | None:
    """Return what tells where an iterable or an iterator is; None where nothing does.

    Examples
    --------
    >>> reader_of([1, 2]) is None
    True
    """
    return next((getattr(thing, read) for read, _ in _pairs(thing)), None)


def resumed(data: Any, state: Any) -> Iterator[Any]:
    """Return an iterator that goes on from where a state says.

    Examples
    --------
    >>> class Numbers:
    ...     def __iter__(self):
    ...         self.at = iter(range(self.first, 9))
    ...         return self.at
    ...     def state_dict(self):
    ...         return {"first": next(self.at)}
    ...     def load_state_dict(self, state):
    ...         self.first = state["first"]
    >>> next(resumed(Numbers(), {"first": 7}))
    7
    """
    for _, write in _pairs(data):
        getattr(data, write)(state)
        return iter(data)
    iterator = iter(data)
    for _, write in _pairs(iterator):
        getattr(iterator, write)(state)
        return iterator
    raise TypeError(f"a {type(data).__name__} cannot be put to where it was")


def one_shot(data: Any) -> bool:
    """Tell whether an iterable is an iterator, which can be gone over only once.

    Examples
    --------
    >>> one_shot([1]), one_shot(iter([1]))
    (False, True)
    """
    return hasattr(data, "__next__")


def can_be_resumed(data: Any) -> bool:
    """Tell whether an iterable can be gone over again, or says where it is.

    Examples
    --------
    >>> can_be_resumed([1]), can_be_resumed(iter([1]))
    (True, False)
    """
    return not one_shot(data) or reader_of(data) is not None


def _pairs(thing: Any) -> list[tuple[str, str]]:
    return [pair for pair in _PAIRS if all(callable(getattr(thing, name, None)) for name in pair)]
