"""Batches are fetched ahead, and only a few."""

import time

from pymc_bnn.data.prefetcher import Prefetcher
from tests.support.stream_parts import Batched


def test_batches_are_fetched_while_the_device_works():
    class Slow(Batched):
        def __iter__(self):
            for item in super().__iter__():
                time.sleep(0.02)
                yield item

    def prepare(raw, number, visit):
        return raw

    began = time.monotonic()
    with Prefetcher(Slow(10), prepare, passes=2) as stream:
        for _ in stream:
            time.sleep(0.02)  # a step
    assert time.monotonic() - began < 0.8 * 2 * 21 * 0.04


def test_a_stream_reads_no_more_than_a_few_ahead():
    taken = []

    def counting():
        for i in range(100):
            taken.append(i)
            yield i

    with Prefetcher(counting(), lambda raw, number, visit: raw, passes=1) as stream:
        assert stream.peek() == stream.take() == 0
        time.sleep(0.3)
        assert len(taken) <= 5
    assert len(taken) <= 6
