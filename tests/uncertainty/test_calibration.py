"""Reliability and calibration error against loops and tables by hand; the floor by simulation."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest

from pymc_bnn import uncertainty as unc


def two_classes(confidence):
    """Predictions of class 0 with these confidences."""
    confidence = np.asarray(confidence, float)
    return np.stack([confidence, 1.0 - confidence], axis=-1)


def random_case(n=503, seed=0):
    generator = np.random.default_rng(seed)
    confidence = 0.5 + 0.5 * generator.beta(3, 1, size=n)
    return two_classes(confidence), (generator.random(n) > confidence**2).astype(int)


def members(confidence, bins, strategy):
    """The examples of each bin, by lists."""
    if strategy == "width":
        limits = [b / bins for b in range(bins + 1)]
        return [
            [i for i, c in enumerate(confidence) if limits[b] < c <= limits[b + 1]]
            for b in range(bins)
        ]
    ranked = sorted(range(len(confidence)), key=lambda i: confidence[i])  # stable
    size, more = divmod(len(ranked), bins)
    sizes = [size + 1] * more + [size] * (bins - more)
    return [[ranked.pop(0) for _ in range(s)] for s in sizes]


def wilson(k, n, level=0.95):
    """Wilson's formula as it is printed."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (k + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * math.sqrt(k * (n - k) / n + z * z / 4)
    return centre - half, centre + half


@pytest.mark.parametrize("strategy", ["mass", "width"])
@pytest.mark.parametrize("bins", [1, 4, 15])
def test_reliability_and_error_by_loops(bins, strategy):
    probs, y = random_case()
    confidence = probs[:, 0].tolist()
    table = unc.reliability(probs, y, bins, strategy)
    error = 0.0
    groups = dict(enumerate(members(confidence, bins, strategy)))
    groups = {b: group for b, group in groups.items() if group}
    assert table.index.name == "bin"
    assert table.index.tolist() == list(groups)
    for b, group in groups.items():
        own = [confidence[i] for i in group]
        right = sum(y[i] == 0 for i in group)
        limits = (min(own), max(own)) if strategy == "mass" else (b / bins, (b + 1) / bins)
        want = [*limits, len(own), sum(own) / len(own), right / len(own)]
        assert table.loc[b].tolist() == pytest.approx([*want, *wilson(right, len(own))])
        error += abs(right - sum(own)) / len(confidence)
    assert unc.calibration_error(probs, y, bins, strategy) == pytest.approx(error, rel=1e-10)


def test_columns_and_types():
    table = unc.reliability(*random_case())
    names = ["low", "high", "n", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    assert list(table.columns) == names
    assert table["n"].dtype.kind == "i"
    assert len(table) == 15
    assert table["n"].sum() == 503
    assert table["n"].max() - table["n"].min() == 1


def test_the_top_label_counts_and_edges_belong_to_the_lower_bin():
    probs = [[0.5, 0.25, 0.25], [0.2, 0.2, 0.6], [0.0, 1.0, 0.0]]
    table = unc.reliability(probs, [0, 2, 0], bins=2, strategy="width")
    assert table["n"].tolist() == [1, 2]  # 0.5 in (0, 0.5]
    assert table["low"].tolist() == [0.0, 0.5]
    assert table["high"].tolist() == [0.5, 1.0]
    assert table["accuracy"].tolist() == [1.0, 0.5]
    assert unc.calibration_error(probs, [0, 2, 0], 2, "width") == pytest.approx((0.5 + 0.6) / 3)


def test_equal_confidences_are_divided_at_random_but_always_alike():
    y = np.repeat([0, 1], [700, 300])  # a calibrated classifier, on data sorted by label
    probs = two_classes(np.full(1000, 0.7))
    table = unc.reliability(probs, y, bins=10)
    assert table["n"].tolist() == [100] * 10
    assert table["accuracy"].between(0.5, 0.9).all()  # within 4.4 standard errors
    assert table.equals(unc.reliability(probs, y, bins=10))
    assert unc.calibration_error(probs, y, bins=10) < unc.calibration_floor(probs, bins=10).high


def test_more_bins_than_examples_leave_one_example_each():
    probs, y = two_classes([0.9, 0.6]), [0, 1]
    assert unc.reliability(probs, y, bins=5)["n"].tolist() == [1, 1]
    assert unc.calibration_error(probs, y, bins=5) == pytest.approx((0.1 + 0.6) / 2)


def test_wilson_intervals_follow_the_level():
    probs, y = random_case()
    table = unc.reliability(probs, y, bins=1, level=0.5)
    right = int((y == 0).sum())
    assert table.loc[0, ["accuracy_low", "accuracy_high"]].tolist() == pytest.approx(
        wilson(right, 503, 0.5)
    )


# ---------------------------------------------------------------- by chance alone


def test_floor_of_one_bin_is_a_folded_normal():
    n, p = 4000, 0.8
    floor = unc.calibration_floor(two_classes([p] * n), bins=1, repeats=2000, random_seed=1)
    scale = math.sqrt(p * (1 - p) / n)
    mean, sd = scale * math.sqrt(2 / math.pi), scale * math.sqrt(1 - 2 / math.pi)
    assert abs(floor.mean - mean) < 4 * sd / math.sqrt(2000)
    # the 97.5 % quantile of |N(0, 1)| is the 98.75 % quantile of N(0, 1); its error by the density
    quantile = NormalDist().inv_cdf(0.9875)
    density = 2 * NormalDist().pdf(quantile)
    error = math.sqrt(0.975 * 0.025 / 2000) / density
    assert abs(floor.high / scale - quantile) < 4 * error
    assert floor.low / scale < 0.1


@pytest.mark.parametrize("strategy", ["mass", "width"])
def test_floor_is_the_error_of_labels_drawn_from_the_prediction(strategy):
    generator = np.random.default_rng(5)
    probs = generator.dirichlet(np.full(4, 0.2), size=400)
    confidence = probs.max(-1)
    groups = members(confidence.tolist(), 6, strategy)
    errors = []
    for _ in range(3000):  # labels, not only whether they are right
        labels = (generator.random((400, 1)) < probs.cumsum(-1)).argmax(-1)
        gaps = (probs.argmax(-1) == labels) - confidence
        errors.append(sum(abs(gaps[g].sum()) for g in groups) / 400)
    floor = unc.calibration_floor(probs, 6, strategy, repeats=3000, random_seed=2)
    standard_error = math.sqrt(2 * np.var(errors) / 3000)
    assert abs(floor.mean - np.mean(errors)) < 4 * standard_error
    assert floor.low == pytest.approx(np.quantile(errors, 0.025), rel=0.05)
    assert floor.high == pytest.approx(np.quantile(errors, 0.975), rel=0.05)


def test_floor_of_confident_digits():
    """10,000 images, 97 to 98 % of them right, 15 bins: 0.003 to 0.0045 by chance alone."""
    for mean in (0.972, 0.98):
        confidence = np.random.default_rng(1).beta(20 * mean, 20 * (1 - mean), size=10_000)
        probs = two_classes(np.maximum(confidence, 0.5))
        floor = unc.calibration_floor(probs)
        assert 0.003 < floor.mean < 0.0045
        own = np.sort(probs[:, 0])
        variances = [(part * (1 - part)).sum() for part in np.array_split(own, 15)]
        # a bin's number of errors is nearly Poisson where errors are rare, and its mean absolute
        # deviation 2·e^{-v}·v^{⌊v⌋+1}/⌊v⌋!
        floors = [math.floor(v) for v in variances]
        deviations = [
            2 * math.exp(-v) * v ** (k + 1) / math.factorial(k)
            for v, k in zip(variances, floors, strict=True)
        ]
        assert floor.mean == pytest.approx(sum(deviations) / 10_000, rel=0.05)
        assert floor.low < floor.mean < floor.high


def test_a_calibrated_classifier_is_inside_its_floor_and_a_tempered_one_above():
    generator = np.random.default_rng(8)
    probs = generator.dirichlet(np.full(5, 0.3), size=5000)
    y = (generator.random(5000)[:, None] < probs.cumsum(-1)).argmax(-1)
    floor = unc.calibration_floor(probs)
    assert floor.low < unc.calibration_error(probs, y) < floor.high
    sure = probs**2 / (probs**2).sum(-1, keepdims=True)
    assert unc.calibration_error(sure, y) > 3 * unc.calibration_floor(sure).high


def test_the_seed_decides():
    probs, _ = random_case()
    first = unc.calibration_floor(probs, repeats=20, random_seed=3)
    assert first == unc.calibration_floor(probs, repeats=20, random_seed=np.random.default_rng(3))
    assert first != unc.calibration_floor(probs, repeats=20, random_seed=4)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda p, y: unc.reliability(p, y, 0), ValueError, "`bins` .* at least 1, got 0"),
        (lambda p, y: unc.calibration_error(p, y, 1.5), TypeError, "`bins` .* got 1.5"),
        (
            lambda p, y: unc.calibration_error(p, y, 5, "equal"),
            ValueError,
            '`strategy` must be "mass" or "width", got \'equal\'; pass strategy="mass"',
        ),
        (lambda p, y: unc.reliability(p, y, level=1), ValueError, "`level` .* got 1"),
        (lambda p, y: unc.calibration_floor(p, level=0), ValueError, "`level` .* got 0"),
        (lambda p, y: unc.calibration_floor(p, repeats=1), ValueError, "`repeats` .* got 1"),
        (lambda p, y: unc.calibration_floor(p, random_seed=-1), ValueError, "`random_seed`"),
        (lambda p, y: unc.calibration_floor(p, strategy=None), ValueError, "`strategy`"),
    ],
)
def test_bad_options(call, error, match):
    with pytest.raises(error, match=match):
        call(*random_case())
