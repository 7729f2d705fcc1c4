"""Foreign images: areas and rates against scikit-learn and counting, intervals by simulation."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from pymc_bnn import uncertainty as unc


def random_case(n=400, m=250, draws=10, seed=0):
    """Predictions of images inside, sure, and of foreign ones, less so."""
    generator = np.random.default_rng(seed)
    inside = generator.dirichlet([0.1, 0.1, 0.3], size=(draws, n))
    return inside, generator.dirichlet([0.5, 0.5, 0.5], size=(draws, m))


def by_scikit_learn(inside, foreign):
    """Area, and share of the foreign that pass at the first threshold that keeps 95 %."""
    labels = np.repeat([0, 1], [len(inside), len(foreign)])
    scores = np.concatenate([inside, foreign])
    area = roc_auc_score(labels, scores)
    passed, kept, _ = roc_curve(labels, -scores, pos_label=0, drop_intermediate=False)
    return area, passed[np.flatnonzero(kept >= 0.95 - 1e-12)[0]]


@pytest.mark.parametrize("score", ["entropy", "mutual_information", "probability"])
def test_area_and_rate_are_those_of_scikit_learn(score):
    inside, foreign = random_case()
    found = unc.detect(inside, foreign, score, repeats=5)
    scores = [unc.uncertainty_score(group, score) for group in (inside, foreign)]
    area, rate = by_scikit_learn(*scores)
    assert found.auroc == pytest.approx(area, rel=1e-12)
    assert found.fpr95 == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("levels", [2, 5, 40])
def test_ties_are_as_in_scikit_learn(levels):
    generator = np.random.default_rng(levels)
    own = generator.integers(levels, size=100), generator.integers(1, levels + 1, size=77)
    flat = [np.full((len(group), 2), 0.5) for group in own]
    found = unc.detect(*flat, own, repeats=5)
    area, rate = by_scikit_learn(*own)
    assert found.auroc == pytest.approx(area, rel=1e-12)
    assert found.fpr95 == pytest.approx(rate, rel=1e-12)


def test_rate_worked_by_hand():
    flat = np.full((20, 2), 0.5)
    own = np.arange(20), [18, 18.5, 5, 30]  # 19 of 20 are kept at a threshold of 18
    found = unc.detect(flat, flat[:4], own, repeats=5)
    assert found.fpr95 == 0.5
    assert found.auroc == pytest.approx((18.5 + 19 + 5.5 + 20) / 80)


def test_separate_and_identical_groups():
    flat = np.full((50, 2), 0.5)
    apart = unc.detect(flat, flat, (np.zeros(50), np.ones(50)), repeats=20)
    assert apart == (1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
    alike = unc.detect(flat, flat, repeats=20)
    assert alike == (0.5, 0.5, 0.5, 1.0, 1.0, 1.0)


def test_intervals_are_as_wide_as_the_spread_of_fresh_data():
    generator = np.random.default_rng(3)
    flat = np.full((300, 2), 0.5), np.full((200, 2), 0.5)

    def draw():
        return generator.normal(size=300), generator.normal(1.5, 1.0, size=200)

    values = np.array([by_scikit_learn(*draw()) for _ in range(300)])
    widths = []
    for _ in range(10):
        found = unc.detect(*flat, draw(), repeats=300, random_seed=generator)
        widths.append([found[2] - found[1], found[5] - found[4]])
    # 95 % of a normal distribution; 300 values know their spread to 4 %, ten widths theirs to 10 %
    ratio = np.mean(widths, axis=0) / (2 * 1.96 * values.std(axis=0))
    assert np.abs(ratio - 1).max() < 0.25


def test_interval_of_the_area_is_near_hanley_and_mcneil():
    generator = np.random.default_rng(4)
    n, m = 1000, 800
    own = generator.exponential(1.0, size=n), generator.exponential(3.0, size=m)
    found = unc.detect(np.full((n, 2), 0.5), np.full((m, 2), 0.5), own, level=0.9, repeats=2000)
    a = found.auroc
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)  # exact for exponential scores
    error = math.sqrt((a * (1 - a) + (m - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a)) / (n * m))
    assert found.auroc_high - found.auroc_low == pytest.approx(2 * 1.645 * error, rel=0.1)
    assert found.auroc_low < a < found.auroc_high


def test_the_seed_decides():
    pair = random_case()
    first = unc.detect(*pair, repeats=20, random_seed=1)
    assert first == unc.detect(*pair, repeats=20, random_seed=np.random.default_rng(1))
    assert first != unc.detect(*pair, repeats=20, random_seed=2)


def test_table_has_a_row_for_each_kind_and_score():
    inside, foreign = random_case()
    kinds = {"letters": foreign, "noise": foreign[:, :50]}
    table = unc.detection_table(inside, kinds, repeats=20, random_seed=7)
    scores = ["entropy", "mutual_information", "probability"]
    assert table.index.names == ["foreign", "score"]
    assert table.index.tolist() == [(kind, score) for kind in kinds for score in scores]
    for (kind, score), row in table.iterrows():
        alone = unc.detect(inside, kinds[kind], score, repeats=20, random_seed=7)
        assert tuple(row) == alone
        assert row.index.tolist() == list(alone._fields)
    means = {"letters": foreign.mean(0)}
    few = unc.detection_table(inside.mean(0), means, scores=("probability",), repeats=20)
    assert few.index.tolist() == [("letters", "probability")]


def test_ten_thousand_images_are_quick():
    inside, foreign = random_case(n=10_000, m=10_000, draws=1)
    started = time.perf_counter()
    unc.detect(inside, foreign, repeats=200)
    assert time.perf_counter() - started < 3


FLAT = [[0.5, 0.5]] * 4


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: unc.detect(FLAT, FLAT, "chi"), ValueError, "`score` must be .* got 'chi'"),
        (lambda: unc.detect(FLAT, FLAT, 3), TypeError, "`score` .* a pair of arrays, got a int"),
        (
            lambda: unc.detect(FLAT, FLAT, ("entropy", "probability")),
            TypeError,
            r"`score` must be one of .*, or a pair of arrays, got \('entropy', 'probability'\)",
        ),
        (lambda: unc.detect(FLAT, FLAT, ([1.0], [2.0] * 4)), ValueError, r"`score` .* \(1,\)"),
        (
            lambda: unc.detect([FLAT], FLAT, "mutual_information"),
            ValueError,
            "`foreign` must hold posterior draws",
        ),
        (lambda: unc.detect(FLAT, FLAT, level=95), ValueError, "`level` .* got 95"),
        (lambda: unc.detect(FLAT, FLAT, repeats=0), ValueError, "`repeats` .* got 0"),
        (lambda: unc.detect(FLAT, FLAT, random_seed=None), TypeError, "`random_seed`"),
        (lambda: unc.detection_table(FLAT, {}), ValueError, "`foreign` must be a mapping .* {}"),
        (lambda: unc.detection_table(FLAT, FLAT), TypeError, "`foreign` .* got a list"),
        (
            lambda: unc.detection_table(FLAT, {"a": FLAT}, "entropy"),
            ValueError,
            "`scores` must be names among .* got 'entropy'",
        ),
        (
            lambda: unc.detection_table(FLAT, {"a": FLAT}, ["chi"]),
            ValueError,
            "`scores` must be names among .*'chi'",
        ),
        (
            lambda: unc.detection_table(FLAT, {"a": FLAT}, [np.ones(4)]),
            ValueError,
            "`scores` must be names among",
        ),
        (lambda: unc.detection_table(FLAT, {"a": FLAT}, None), ValueError, "`scores` .*None"),
        (lambda: unc.detection_table(FLAT, {"a": FLAT}, []), ValueError, "`scores` .* at least"),
        (
            lambda: unc.detection_table([FLAT], {"a": FLAT}),
            ValueError,
            r"`foreign\['a'\]` must hold posterior draws",
        ),
    ],
)
def test_bad_arguments(call, error, match):
    with pytest.raises(error, match=match):
        call()
