"""What rows of a stream count for, by the exact posterior of a mean."""

from contextlib import nullcontext

import numpy as np
import pymc as pm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pymc_bnn as bnn
from pymc_bnn.data.epochs import StreamPlan
from pymc_bnn.data.passes import Passes

RNG = np.random.default_rng(5)
SMALL = pytest.mark.filterwarnings("ignore:a batch of `data` has")


class Iterated:
    """Batches that can be gone over again, and have no length."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def cut(y, sizes):
    return [{"y": part} for part in np.split(y, np.cumsum(sizes)[:-1])]


def fit_mean(data, total_size=None, sd=2.0, **options):
    with pm.Model() as model:
        pm.Normal("y", pm.Normal("mu", 0, 10), sd, observed=np.zeros(9))
    return bnn.fit(
        model, data=data, total_size=total_size, random_seed=1, progressbar=False,
        **{"steps": 2000} | options,
    )  # fmt: skip


def exact(y, n, sd=2.0):
    """The posterior of the mean of n examples of which y are typical: a conjugate Normal."""
    precision = n / sd**2 + 1 / 10**2
    return n * y.mean() / sd**2 / precision, precision**-0.5


@SMALL
@pytest.mark.parametrize(
    ("sizes", "total", "make"),
    [
        ([20, 20, 20, 1], 61, list),  # the case of the issue: the last batch is one row
        ([30, 8, 25, 3], 66, Iterated),
        ([20, 20, 20, 1], 122, Iterated),  # the stream shows half of the examples
        ([20, 20, 20, 1], 40, list),
    ],
)
@pytest.mark.filterwarnings("ignore:the first pass over `data`")
def test_every_row_counts_once_in_a_pass(sizes, total, make):
    y = RNG.normal(size=sum(sizes))
    y[-1] = 20.0  # in the short last batch
    fitted = fit_mean(make(cut(y, sizes)), total)
    mean, std = exact(y, total)
    assert abs(fitted.mean["mu"].item() - mean) < 0.3 * std
    assert fitted.std["mu"].item() == pytest.approx(std, rel=0.2)


def lengths():
    return st.lists(st.integers(1, 20), min_size=1, max_size=12)


@SMALL
@settings(max_examples=200, deadline=None, derandomize=True)
@given(lengths(), st.booleans(), st.integers(1, 3))
def test_over_a_later_pass_weights_of_rows_sum_to_all_examples(sizes, known, times):
    n = times * sum(sizes)
    length = len(sizes) if known else None
    passes = Passes(StreamPlan(n, max(sizes), len(sizes), length))
    with pytest.warns() if times > 1 and n - sum(sizes) > max(sizes) else nullcontext():
        for visit in range(3):
            weights = [passes.weight(size, visit) for size in sizes]
    assert len(set(weights)) == 1
    assert np.dot(weights, sizes) / len(sizes) == pytest.approx(n)


@SMALL
@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 19))
def test_of_even_batches_with_a_shorter_last_one_the_first_pass_is_exact(size, full, rest):
    sizes = [size] * full + [rest % size] * (rest % size > 0)
    passes = Passes(StreamPlan(sum(sizes), size, len(sizes), len(sizes)))
    assert [passes.weight(s, 0) for s in sizes] == [len(sizes)] * len(sizes)


@given(st.integers(1, 20), st.integers(1, 500), st.sampled_from([None, 1000]))
def test_batches_without_end_or_more_than_a_pass_count_n_over_their_size(size, n, length):
    # Drawn with replacement, say: a pass of a thousand batches is no pass over n examples.
    passes = Passes(StreamPlan(n, size, 1, length))
    assert [passes.weight(size, 0) for _ in range(5)] == pytest.approx([n / size] * 5)


def test_a_dropped_last_batch():
    passes = Passes(StreamPlan(150, 100, 1, 1))
    assert [passes.weight(100, visit) for visit in (0, 1)] == [1.5] * 2


@pytest.mark.parametrize("later", [False, True])
def test_a_far_smaller_batch_is_said_once(later):
    y = RNG.normal(size=61)
    data = cut(y, [20, 20, 20, 1])
    with pytest.warns(UserWarning, match="has 1 rows, far fewer than the first one's 20") as got:
        fit_mean(data, 61, steps=12 if later else 4)
    assert len(got) == 1


def test_a_quarter_of_a_batch_is_silent():
    fit_mean(cut(RNG.normal(size=25), [20, 5]), 25, steps=5)


def test_a_generator_function_is_called_by_its_user():
    def batches():
        yield from cut(RNG.normal(size=40), [20, 20])

    with pytest.raises(TypeError, match="call the function"):
        fit_mean(batches, 40, steps=2)
    assert len(fit_mean(batches(), 40, steps=2).history) == 2
