"""Iterables that say where they are, as torchdata's and grain's do, go on from there."""

import pytest

from pymc_bnn.data.prefetcher import Prefetcher
from pymc_bnn.data.resuming import Where, can_be_resumed
from pymc_bnn.errors import StreamError


class Iterator:
    """As grain's: the iterator has the state, as bytes."""

    def __init__(self, n):
        self.n, self.at = n, 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.at == self.n:
            raise StopIteration
        self.at += 1
        return self.at

    def get_state(self):
        return str(self.at).encode()

    def set_state(self, state):
        self.at = int(state)


class Loader:
    def __init__(self, n=5):
        self.n, self.made = n, []

    def __iter__(self):
        self.made.append(Iterator(self.n))
        return self.made[-1]


def item(raw, number, visit):
    return raw, number, visit


def taken(stream, count):
    return [stream.take() for _ in range(count)]


@pytest.fixture
def noted(monkeypatch):
    monkeypatch.setattr("pymc_bnn.data.prefetcher._NOTE_S", 0.0)


@pytest.mark.parametrize("used", [1, 3, 4, 5, 6, 9, 10, 11, 17])
@pytest.mark.parametrize("make", [Loader, lambda: [1, 2, 3, 4, 5]])
def test_it_goes_on_after_so_many(make, used, noted):
    with Prefetcher(make(), item, keeps=True) as stream:
        before = taken(stream, used)
        where = stream.where(used)
        after = taken(stream, 7)
    assert where.number == used
    assert where.of <= used
    with Prefetcher(make(), item, keeps=True, at=where) as stream:
        first, *others = taken(stream, 8)
    assert first == before[0]
    assert others == after


def test_what_was_used_is_not_read_again_where_there_is_a_state(noted):
    loader = Loader(1000)
    with Prefetcher(loader, item, at=Where(700, 690, 0, b"690")) as stream:
        assert taken(stream, 2) == [(1, 1, 0), (701, 701, 0)]
    assert loader.made[0].at == 1


def test_a_state_that_is_refused_is_an_error_of_the_data():
    with Prefetcher(Loader(), item, at=Where(3, 2, 0, b"x")) as stream:
        assert stream.take() == (1, 1, 0)
        with pytest.raises(StreamError, match="`data` failed at batch 3: ValueError: invalid lit"):
            stream.take()


def test_which_can_be_resumed():
    assert can_be_resumed(Loader())
    assert can_be_resumed(Iterator(3))
    assert not can_be_resumed(x for x in [1])
