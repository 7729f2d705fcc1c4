"""What a row of a stream counts for, as the first pass over it tells."""

from __future__ import annotations

from pymc_bnn._warnings import warn
from pymc_bnn.data.epochs import StreamPlan

__all__ = ["Passes"]

_MEMORY = "count", "rows", "first", "largest", "visit", "warned"
_SMALL = 1 / 4  # of the first batch: less is warned of


class Passes:
    r"""Follows a stream batch by batch, and says what each row counts for.

    Over one pass of K batches with R rows in all, every row has to count N/R times in the mean of
    the K estimates, whatever the batch that it is in:

    .. math:: \frac1K \sum_{b=1}^K \sum_{i\in b} w\,\ell_i = \frac{N}{R} \sum_i \ell_i
              \quad\Rightarrow\quad w = \frac{K N}{R},

    N over the mean size of a batch. N over the batch's own size, as for batches drawn at random,
    would let the rows of a short last batch count for many in every pass of a fixed order. From the
    second pass on the weight is that of the first pass. Within it, it is ``len(data)`` where K
    batches can make N rows, the last ones shorter than those before, and otherwise N over the mean
    size of the batches so far.

    Parameters
    ----------
    batches : StreamPlan
        How many examples and batches there are said to be.

    Examples
    --------
    >>> passes = Passes(StreamPlan(n=9, capacity=4, per_epoch=3, length=3))
    >>> [passes.weight(size, visit=0) for size in (4, 4, 1)]
    [3.0, 3.0, 3.0]
    """

    def __init__(self, batches: StreamPlan):
        self.batches = batches
        self._count = self._rows = self._first = self._largest = 0  # of the first pass
        self._visit, self._warned = 0, False

    def memory(self) -> dict[str, int | bool]:
        """Return what the first pass told so far.

        Examples
        --------
        >>> passes = Passes(StreamPlan(n=6, capacity=4, per_epoch=3))
        >>> _ = passes.weight(4, 0)
        >>> other = Passes(passes.batches)
        >>> other.recall(passes.memory())
        >>> passes.weight(2, 0), other.weight(2, 0)
        (2.0, 2.0)
        """
        return {name: getattr(self, f"_{name}") for name in _MEMORY}

    def recall(self, memory: dict[str, int | bool]) -> None:
        """Go on from what another one told."""
        for name in _MEMORY:
            setattr(self, f"_{name}", memory[name])

    def weight(self, size: int, visit: int) -> float:
        """Return what each row of the next batch counts for.

        Parameters
        ----------
        size : int
            Rows of that batch.
        visit : int
            Pass over the data that it belongs to, from 0.

        Examples
        --------
        >>> passes = Passes(StreamPlan(n=6, capacity=4, per_epoch=3))
        >>> passes.weight(4, 0), passes.weight(2, 0), passes.weight(4, 1)
        (1.5, 2.0, 2.0)
        """
        n, length = self.batches.n, self.batches.length
        if visit == 0:
            self._count, self._rows = self._count + 1, self._rows + size
            self._first, self._largest = self._first or size, max(size, self._largest)
        elif self._visit == 0:
            self._compare()
        self._visit = visit
        if size < _SMALL * self._first and not self._warned:
            self._warned = True
            warn(
                f"a batch of `data` has {size:,} rows, far fewer than the first one's "
                f"{self._first:,}: its rows count as all others do, but its step learns from "
                "little; leave it out, or cut batches more evenly"
            )
        mean = self._rows / self._count
        regular = length is not None and (length - 1) * mean < n <= length * self.batches.capacity
        return float(length) if visit == 0 and regular else n / mean

    def _compare(self) -> None:
        """Compare the number of examples of the first pass with the one that was given."""
        n, short = self.batches.n, self.batches.n - self._rows
        if short < 0 or short > self._largest:
            warn(
                f"the first pass over `data` had {self._rows:,} examples, and total_size is "
                f"{n:,}: the likelihood counts as that of {n:,}"
            )
