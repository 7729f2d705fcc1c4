"""Votes, chi-square, entropies, intervals and the summary table, against independent references."""

from __future__ import annotations

import math
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.stats
import sklearn.metrics

from pymc_bnn import uncertainty as unc

HALVES = [0.5, 0.5]
# The binary entropy of 1/4 in bits, from 2 - (3/4)·log2(3).
ENTROPY_QUARTER = 2.0 - 0.75 * math.log2(3.0)


def random_probs(draws=60, n=40, classes=5, concentration=0.4, seed=0):
    alpha = np.full(classes, concentration)
    return np.random.default_rng(seed).dirichlet(alpha, size=(draws, n))


def streamed(probs, keep=False, seed=3):
    """A prediction as `summary` reads it, its numbers made by loops and SciPy."""
    draws, n, classes = probs.shape
    generator = np.random.default_rng(seed)
    label = np.zeros((n, classes), int)
    likeliest = np.zeros((n, classes), int)
    for d in range(draws):
        for i in range(n):
            label[i, generator.choice(classes, p=probs[d, i])] += 1
            likeliest[i, max(range(classes), key=lambda k: probs[d, i, k])] += 1
    return SimpleNamespace(
        mean_probs=sum(probs) / draws,
        expected_entropy=sum(scipy.stats.entropy(p, axis=-1) for p in probs) / draws,
        label_votes=label,
        class_votes=likeliest,
        draws=draws,
        probs=probs if keep else None,
    )


# ---------------------------------------------------------------- votes


def test_one_hot_draws_are_sampled_as_they_are():
    labels = np.array([[2, 0, 1], [0, 0, 2]])
    sampled = unc.sample_labels(np.eye(3)[labels], random_seed=7)
    assert sampled.dtype == np.int64
    assert sampled.tolist() == labels.tolist()


def test_sampled_labels_have_the_frequencies_of_their_draw():
    truth = np.array([[0.1, 0.2, 0.7], [0.0, 0.5, 0.5], [0.3, 0.7, 0.0]])
    draws = 20_000
    probs = np.broadcast_to(truth, (draws, 3, 3))
    labels = unc.sample_labels(probs, random_seed=11)
    assert labels.shape == (draws, 3)
    for i in range(3):
        for k in range(3):
            frequency = np.count_nonzero(labels[:, i] == k) / draws
            standard_error = math.sqrt(truth[i, k] * (1 - truth[i, k]) / draws)
            assert abs(frequency - truth[i, k]) <= 4 * standard_error  # exact where p is 0


def test_zero_uniforms_never_pick_an_impossible_class():
    class Zero(np.random.Generator):
        value = 0.0

        def random(self, size):
            return np.full(size, self.value)

    class NearlyOne(Zero):
        value = np.nextafter(1.0, 0.0)

    probs = np.array([[[0.0, 0.3, 0.7, 0.0], [0.0, 0.0, 1.0, 0.0], [0.1, 0.2, 0.7, 0.0]]])
    assert unc.sample_labels(probs, Zero(np.random.PCG64())).tolist() == [[1, 2, 0]]
    assert unc.sample_labels(probs, NearlyOne(np.random.PCG64())).tolist() == [[2, 2, 2]]


def test_a_seed_and_its_generator_give_the_same_labels_and_another_seed_others():
    probs = random_probs()
    first = unc.sample_labels(probs, 5)
    assert (first == unc.sample_labels(probs, 5)).all()
    generator = np.random.default_rng(5)
    assert (first == unc.sample_labels(probs, generator)).all()
    assert (first != unc.sample_labels(probs, generator)).any()  # the generator moved on
    assert (first != unc.sample_labels(probs, 6)).any()


def test_votes_are_counted_as_a_loop_counts_them():
    probs = random_probs(draws=30, n=7, classes=4, seed=2)
    labels = unc.sample_labels(probs, 9)
    by_label = np.zeros((7, 4), int)
    by_class = np.zeros((7, 4), int)
    for d in range(30):
        for i in range(7):
            by_label[i, labels[d, i]] += 1
            by_class[i, list(probs[d, i]).index(max(probs[d, i]))] += 1
    assert (unc.label_votes(probs, 9) == by_label).all()
    assert (unc.count_votes(labels, 4) == by_label).all()
    assert (unc.class_votes(probs) == by_class).all()


def test_a_tie_of_probabilities_is_a_vote_for_the_lowest_class():
    assert unc.class_votes([[[0.2, 0.4, 0.4]], [[0.4, 0.2, 0.4]]]).tolist() == [[1, 1, 0]]


def test_votes_keep_classes_that_nobody_chose():
    assert unc.count_votes([[0, 1]], n_classes=4).tolist() == [[1, 0, 0, 0], [0, 1, 0, 0]]


# ---------------------------------------------------------------- chi-square


def test_chi_square_of_even_and_unanimous_votes():
    statistic, p_value = unc.chi_square([[10] * 10, [100] + [0] * 9])
    assert statistic[0] == 0.0
    assert statistic[1] == pytest.approx(100 * 9)
    assert p_value[0] == 1.0
    assert 0 <= p_value[1] < 1e-180


def test_chi_square_agrees_with_scipy_row_by_row():
    votes = np.random.default_rng(1).multinomial(100, np.full(10, 0.1), size=50)
    found = unc.chi_square(votes)
    for i, row in enumerate(votes):
        reference = scipy.stats.chisquare(row)
        assert found.statistic[i] == pytest.approx(reference.statistic, rel=1e-12)
        assert found.p_value[i] == pytest.approx(reference.pvalue, rel=1e-10)


def test_p_values_are_uniform_when_the_vote_is_even_by_chance():
    votes = np.random.default_rng(4).multinomial(2_000, np.full(10, 0.1), size=2_000)
    below = (unc.chi_square(votes).p_value < 0.05).mean()
    assert abs(below - 0.05) < 4 * math.sqrt(0.05 * 0.95 / 2_000)


def test_fewer_than_five_draws_per_class_warn():
    with pytest.warns(UserWarning, match=r"49 draws over 10 classes .* at least 50 draws") as seen:
        unc.chi_square([[49] + [0] * 9])
    assert seen[0].filename == __file__
    unc.chi_square([[50] + [0] * 9])  # a warning would be an error here


# ---------------------------------------------------------------- entropies

# draws for one example, then total, expected and mutual information in bits, by hand
BY_HAND = {
    "agree and sure": ([[1.0, 0.0], [1.0, 0.0]], 0.0, 0.0, 0.0),
    "agree, unsure": ([HALVES, HALVES], 1.0, 1.0, 0.0),
    "disagree, sure": ([[1.0, 0.0], [0.0, 1.0]], 1.0, 0.0, 1.0),
    "disagree a little": (
        [[0.75, 0.25], [0.25, 0.75]],
        1.0,
        ENTROPY_QUARTER,
        1.0 - ENTROPY_QUARTER,
    ),
    "three classes": ([[0.5, 0.25, 0.25]], 1.5, 1.5, 0.0),
    "one class out": ([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]], 1.5, 1.0, 0.5),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_entropies_worked_by_hand(case):
    draws, total, expected, information = BY_HAND[case]
    probs = np.array(draws)[:, None]  # (draws, 1, classes)
    for unit, factor in (("bits", 1.0), ("nats", math.log(2.0))):
        got = [
            f(probs, unit=unit)[0]
            for f in (unc.predictive_entropy, unc.expected_entropy, unc.mutual_information)
        ]
        want = [factor * total, factor * expected, factor * information]
        assert got == pytest.approx(want, abs=1e-15)
    assert unc.predictive_entropy(probs)[0] == pytest.approx(total, abs=1e-15)  # bits by default


def test_entropies_agree_with_scipy():
    probs = random_probs()
    mean = sum(probs) / len(probs)
    total = scipy.stats.entropy(mean, axis=-1)
    expected = sum(scipy.stats.entropy(p, axis=-1) for p in probs) / len(probs)
    # mutual information is also the mean Kullback–Leibler divergence from the mean
    divergence = sum(scipy.stats.entropy(p, mean, axis=-1) for p in probs) / len(probs)
    np.testing.assert_allclose(unc.predictive_entropy(probs, "nats"), total, rtol=1e-12)
    np.testing.assert_allclose(unc.expected_entropy(probs, "nats"), expected, rtol=1e-12)
    np.testing.assert_allclose(unc.mutual_information(probs, "nats"), divergence, rtol=1e-10)
    np.testing.assert_allclose(
        unc.predictive_entropy(probs, "bits"), scipy.stats.entropy(mean, base=2, axis=-1)
    )


def test_identical_float32_draws_have_no_mutual_information_and_none_is_negative():
    one = random_probs(draws=1, n=500, seed=8).astype(np.float32)
    same = np.repeat(one, 7, axis=0)
    information = unc.mutual_information(same)
    assert (information >= 0).all()
    assert information.max() < 1e-14


def test_impossible_classes_give_exact_zeros():
    probs = np.eye(4)[None]  # one sure draw of four examples
    for f in (unc.predictive_entropy, unc.expected_entropy, unc.mutual_information):
        value = f(probs)
        assert (value == 0).all()
        assert not np.signbit(value).any()


def test_sums_within_the_tolerance_are_normalised():
    probs = np.array([[[0.4998, 0.4998]]])
    assert unc.predictive_entropy(probs)[0] == pytest.approx(1.0, abs=1e-15)


# ---------------------------------------------------------------- intervals


def test_intervals_of_evenly_spaced_draws():
    first = np.linspace(0.0, 1.0, 201)  # its q-quantile is q
    probs = np.stack([first, 1.0 - first], axis=-1)[:, None]
    np.testing.assert_allclose(unc.probability_interval(probs)[0], [[0.025, 0.975]] * 2)
    np.testing.assert_allclose(unc.probability_interval(probs, level=0.5)[0], [[0.25, 0.75]] * 2)


def test_intervals_agree_with_scipy_quantiles():
    probs = random_probs(draws=37, n=3, classes=4)
    found = unc.probability_interval(probs, level=0.9)
    assert found.shape == (3, 4, 2)
    for i in range(3):
        for k in range(4):
            want = scipy.stats.mstats.mquantiles(
                probs[:, i, k], [0.05, 0.95], alphap=1, betap=1
            )  # linear interpolation
            np.testing.assert_allclose(found[i, k], want, rtol=1e-12)


# ---------------------------------------------------------------- summary

COLUMNS = [
    "label",
    "correct",
    "predicted",
    "voted",
    "probability",
    "probability_low",
    "probability_high",
    "vote_share",
    "chi_square",
    "p_value",
    "entropy_bits",
    "expected_entropy_bits",
    "mutual_information_bits",
    "nll",
]


def test_summary_worked_by_hand():
    sure = [[1.0, 0.0]] * 10
    split = [[1.0, 0.0]] * 4 + [[0.0, 1.0]] * 6
    probs = np.stack([sure, split, sure], axis=1)  # (10, 3, 2)
    for votes in ("class", "label"):  # one-hot draws leave sampling no choice
        frame = unc.summary(probs, [0, 0, 1], votes=votes)
        assert list(frame.columns) == COLUMNS
        assert frame.index.name == "example"
        assert frame.index.tolist() == [0, 1, 2]
        assert frame["label"].tolist() == [0, 0, 1]
        assert frame["predicted"].tolist() == [0, 1, 0]
        assert frame["correct"].tolist() == [True, False, False]
        assert frame["voted"].tolist() == [0, 1, 0]
        assert frame["vote_share"].tolist() == [1.0, 0.6, 1.0]
        assert frame["probability"].tolist() == pytest.approx([1.0, 0.6, 1.0])
        assert frame["probability_low"].tolist() == pytest.approx([1.0, 0.0, 1.0])
        assert frame["probability_high"].tolist() == pytest.approx([1.0, 1.0, 1.0])
        assert frame["chi_square"].tolist() == pytest.approx([10.0, 0.4, 10.0])
        p_values = [math.erfc(math.sqrt(c / 2)) for c in (10.0, 0.4, 10.0)]  # 1 degree of freedom
        assert frame["p_value"].tolist() == pytest.approx(p_values)
        entropy = -(0.6 * math.log2(0.6) + 0.4 * math.log2(0.4))
        assert frame["entropy_bits"].tolist() == pytest.approx([0.0, entropy, 0.0])
        assert frame["expected_entropy_bits"].tolist() == [0.0, 0.0, 0.0]
        assert frame["mutual_information_bits"].tolist() == pytest.approx([0.0, entropy, 0.0])
        assert frame["nll"].tolist() == pytest.approx(
            [0.0, -math.log(0.4), -math.log(sys.float_info.min)]
        )


def test_summary_tells_the_vote_from_the_prediction():
    probs = [[[0.45, 0.55]]] * 6 + [[[1.0, 0.0]]] * 4  # mean 0.67 for class 0, 6 votes for 1
    row = unc.summary(probs, [1], votes="class").loc[0]
    assert row["predicted"] == 0
    assert row["voted"] == 1
    assert not row["correct"]
    assert row["probability"] == pytest.approx(0.67)
    assert row["vote_share"] == 0.6
    tied = unc.summary([[[0.4, 0.6]]] * 5 + [[[0.6, 0.4]]] * 5, votes="class").loc[0]
    assert tied["voted"] == 0


def test_summary_agrees_with_scikit_learn():
    probs = random_probs()
    y = np.random.default_rng(1).integers(5, size=40)
    frame = unc.summary(probs, y)
    mean = sum(probs) / len(probs)
    loss = sklearn.metrics.log_loss(y, mean, labels=range(5))
    assert frame["nll"].mean() == pytest.approx(loss, rel=1e-10)
    accuracy = sklearn.metrics.accuracy_score(y, mean.argmax(-1))
    assert frame["correct"].mean() == accuracy
    best = [max(row) for row in mean.tolist()]
    assert frame["probability"].tolist() == pytest.approx(best)
    for i, k in enumerate(frame["predicted"]):
        want = scipy.stats.mstats.mquantiles(probs[:, i, k], [0.025, 0.975], alphap=1, betap=1)
        assert frame.loc[i, ["probability_low", "probability_high"]].tolist() == pytest.approx(
            want.tolist()
        )


def test_summary_without_labels_leaves_their_columns_out():
    frame = unc.summary(random_probs())
    assert list(frame.columns) == [c for c in COLUMNS if c not in ("label", "correct", "nll")]


def test_summary_takes_its_label_votes_from_the_seed():
    probs = random_probs(concentration=3.0)
    seeded = unc.summary(probs, random_seed=4)["chi_square"]
    generator = np.random.default_rng(4)
    assert (seeded == unc.summary(probs, random_seed=generator)["chi_square"]).all()
    assert (seeded != unc.summary(probs, random_seed=5)["chi_square"]).any()


def test_summary_takes_labels_from_pandas_and_narrow_integers():
    probs = random_probs(n=3)
    frame = unc.summary(probs, pd.Series([1, 2, 3], index=[7, 8, 9], dtype="uint8"))
    assert frame["label"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("votes", ["label", "class"])
@pytest.mark.parametrize("keep", [False, True])
def test_summary_of_a_streamed_prediction(votes, keep):
    probs = random_probs(draws=50, n=12)
    y = np.arange(12) % 5
    pred = streamed(probs, keep=keep)
    frame = unc.summary(pred, y, votes=votes)
    from_array = unc.summary(probs, y, votes=votes)
    intervals = ["probability_low", "probability_high"]
    assert list(frame.columns) == [c for c in COLUMNS if keep or c not in intervals]
    own = ["voted", "vote_share", "chi_square", "p_value"] if votes == "label" else []
    same = [c for c in frame if c not in own]
    pd.testing.assert_frame_equal(frame[same], from_array[same], rtol=1e-12)
    counts = pred.label_votes if votes == "label" else pred.class_votes
    statistic = [scipy.stats.chisquare(row).statistic for row in counts]
    assert frame["chi_square"].tolist() == pytest.approx(statistic)
    assert frame["vote_share"].tolist() == pytest.approx([max(row) / 50 for row in counts])


def test_summary_warns_of_few_draws_at_the_callers_line():
    with pytest.warns(UserWarning, match="fewer than 5 per class") as seen:
        unc.summary(random_probs(draws=24))
    assert seen[0].filename == __file__


# ---------------------------------------------------------------- finding the errors


def area_by_pairs(scores, wrong):
    """Share of (error, correct) pairs in which the error scores higher, ties half."""
    pairs = [(e, c) for e, w in zip(scores, wrong, strict=True) if w
             for c, v in zip(scores, wrong, strict=True) if not v]  # fmt: skip
    return sum(1.0 if e > c else 0.5 if e == c else 0.0 for e, c in pairs) / len(pairs)


def test_error_detection_agrees_with_counting_pairs():
    probs = random_probs()
    y = np.where(np.arange(40) % 3 == 0, 1, probs.mean(0).argmax(-1))
    frame = unc.summary(probs, y)
    found = unc.error_detection(frame)
    wrong = [not c for c in frame["correct"]]
    scores = {
        "auroc_chi_square": [-c for c in frame["chi_square"]],
        "auroc_entropy": list(frame["entropy_bits"]),
        "auroc_mutual_information": list(frame["mutual_information_bits"]),
        "auroc_probability": [-p for p in frame["probability"]],
    }
    for name, score in scores.items():
        assert found[name] == pytest.approx(area_by_pairs(score, wrong), rel=1e-12)
    assert found["accuracy"] == pytest.approx(1 - sum(wrong) / 40)
    for column in ("chi_square", "entropy_bits"):
        for group, chosen in (("errors", True), ("correct", False)):
            values = [v for v, w in zip(frame[column], wrong, strict=True) if w is chosen]
            assert found[f"{column}_{group}"] == pytest.approx(sum(values) / len(values))


def test_error_detection_is_perfect_when_all_errors_are_less_sure():
    sure, unsure = [[0.99, 0.01]] * 20, [[0.6, 0.4]] * 10 + [[0.4, 0.6]] * 9 + [[0.6, 0.4]]
    frame = unc.summary(np.stack([sure, sure, unsure], axis=1), [0, 0, 1], votes="class")
    found = unc.error_detection(frame)
    areas = found.filter(like="auroc")
    assert areas.tolist() == [1.0] * 4
    assert found["chi_square_correct"] == pytest.approx(20.0)
    assert found["chi_square_errors"] == pytest.approx(2 * 1**2 / 10)


@pytest.mark.parametrize(("label", "lacking"), [(0, "errors"), (1, "correct predictions")])
def test_error_detection_without_errors_or_correct_predictions(label, lacking):
    frame = unc.summary(np.tile([0.9, 0.1], (20, 3, 1)), [label] * 3, votes="class")
    with pytest.warns(UserWarning, match=f"there are no {lacking} among the 3 examples"):
        found = unc.error_detection(frame)
    assert found["accuracy"] == 1 - label
    assert found.filter(like="auroc").isna().all()
    empty, full = ("errors", "correct") if label == 0 else ("correct", "errors")
    assert np.isnan(found[f"chi_square_{empty}"])
    assert found[f"chi_square_{full}"] == pytest.approx(20.0)


# ---------------------------------------------------------------- one clear error each

FUNCTIONS_OF_PROBS = {
    "sample_labels": lambda probs: unc.sample_labels(probs, 0),
    "label_votes": lambda probs: unc.label_votes(probs, 0),
    "class_votes": unc.class_votes,
    "predictive_entropy": unc.predictive_entropy,
    "expected_entropy": unc.expected_entropy,
    "mutual_information": unc.mutual_information,
    "probability_interval": unc.probability_interval,
    "summary": unc.summary,
}
BAD_PROBS = {
    "one axis": (HALVES, ValueError, r"must have shape \(draws, n, classes\), got shape \(2,\)"),
    "two axes": ([HALVES], ValueError, r"must have shape .* got shape \(1, 2\); use `probs\[None"),
    "no draws": (np.zeros((0, 3, 2)), ValueError, "must hold at least one draw, one example"),
    "no examples": (np.zeros((3, 0, 2)), ValueError, "must hold at least one draw, one example"),
    "no classes": (np.zeros((3, 2, 0)), ValueError, "must hold at least one draw, one example"),
    "one class": (np.ones((3, 2, 1)), ValueError, r"two classes, got shape \(3, 2, 1\)"),
    "NaN": ([[[np.nan, 1.0]]], ValueError, r"finite numbers only, got 1 NaN .* \(0, 0, 0\)"),
    "infinite": ([[HALVES, [np.inf, 0]]], ValueError, r"finite numbers only, got 1 .* \(0, 1, 0\)"),
    "negative": ([[[-0.1, 1.1]]], ValueError, r"must be non-negative, got -0.1 at index \(0, 0, 0"),
    "sum": ([[HALVES, [0.5, 0.502]]], ValueError, r"sum to 1 .* got 1.002 at index \(0, 1\)"),
    "ragged": ([[[0.5, 0.5], [1.0]]], ValueError, "must be an array, got a list that numpy"),
    "text": ([[["a", "b"]]], TypeError, "must be an array of real numbers, got a list"),
    "object": (object(), TypeError, "must be an array of real numbers, got a object"),
}


@pytest.mark.parametrize("function", FUNCTIONS_OF_PROBS)
@pytest.mark.parametrize("case", BAD_PROBS)
def test_bad_probabilities(function, case):
    probs, error, match = BAD_PROBS[case]
    argument = "pred" if function == "summary" else "probs"
    with pytest.raises(error, match=f"`{argument}` .*{match}"):
        FUNCTIONS_OF_PROBS[function](probs)


@pytest.mark.parametrize(
    ("y", "error", "match"),
    [
        ([0, 1], ValueError, r"`y` must have shape \(3,\), .* got shape \(2,\)"),
        ([[0], [1], [1]], ValueError, r"`y` must have shape \(3,\), .* got shape \(3, 1\)"),
        ([], ValueError, r"`y` must have shape \(3,\), .* got shape \(0,\)"),
        ([0.0, 1.0, 1.0], TypeError, r"`y` must hold integers, got dtype float64; .*astype"),
        ([True, False, True], TypeError, "`y` must hold integers, got dtype bool"),
        (["0", "1", "1"], TypeError, "`y` must hold integers, got dtype <U1"),
        ([0, 1, 2], ValueError, r"`y` must hold class numbers in 0…1, got values in 0…2"),
        ([0, -1, 1], ValueError, r"`y` must hold class numbers in 0…1, got values in -1…1"),
        ([[0], [1, 1], 2], ValueError, "`y` must be an array, got a list that numpy refuses"),
    ],
)
def test_bad_labels(y, error, match):
    probs = np.tile(HALVES, (10, 3, 1))
    with pytest.raises(error, match=match):
        unc.summary(probs, y)
    with pytest.raises(error, match=match):
        unc.summary(streamed(probs), y)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda p: unc.predictive_entropy(p, "bit"), ValueError, "`unit` must be .*got 'bit'"),
        (lambda p: unc.expected_entropy(p, None), ValueError, "`unit` must be .*got None"),
        (lambda p: unc.mutual_information(p, ["nats"]), ValueError, "`unit` must be "),
        (lambda p: unc.probability_interval(p, 1.0), ValueError, "`level` .* got 1.0"),
        (lambda p: unc.probability_interval(p, 95), ValueError, "`level` .* got 95"),
        (lambda p: unc.probability_interval(p, float("nan")), ValueError, "`level` .* got nan"),
        (lambda p: unc.probability_interval(p, "0.9"), ValueError, "`level` .* got '0.9'"),
        (lambda p: unc.summary(p, level=0), ValueError, "`level` .* got 0"),
        (lambda p: unc.summary(p, votes="labels"), ValueError, "`votes` .* got 'labels'"),
        (lambda p: unc.summary(p, random_seed=-1), ValueError, "`random_seed` .* got -1"),
        (lambda p: unc.sample_labels(p, None), TypeError, "`random_seed` .* got None"),
        (lambda p: unc.label_votes(p, 1.5), TypeError, "`random_seed` .* got 1.5"),
    ],
)
def test_bad_options(call, error, match):
    with pytest.raises(error, match=match):
        call(np.tile(HALVES, (10, 3, 1)))


@pytest.mark.parametrize(
    ("labels", "n_classes", "error", "match"),
    [
        ([0, 1], 2, ValueError, r"`labels` must have shape \(draws, n\).* got shape \(2,\)"),
        (np.zeros((0, 2), int), 2, ValueError, r"`labels` .* got shape \(0, 2\)"),
        ([[0.0, 1.0]], 2, TypeError, "`labels` must hold integers, got dtype float64"),
        ([[0, 2]], 2, ValueError, r"`labels` must hold class numbers in 0…1, got values in 0…2"),
        ([[-1, 1]], 2, ValueError, r"`labels` .* got values in -1…1"),
        ([[0, 0]], 1, ValueError, "`n_classes` must be an integer of at least 2, got 1"),
        ([[0, 1]], 2.0, TypeError, "`n_classes` must be an integer of at least 2, got 2.0"),
    ],
)
def test_bad_labels_to_count(labels, n_classes, error, match):
    with pytest.raises(error, match=match):
        unc.count_votes(labels, n_classes)


@pytest.mark.parametrize(
    ("votes", "error", "match"),
    [
        ([10, 20], ValueError, r"`votes` must have shape \(n, classes\).* got shape \(2,\)"),
        (np.zeros((0, 2), int), ValueError, r"`votes` .* got shape \(0, 2\)"),
        ([[10]], ValueError, r"`votes` .* got shape \(1, 1\)"),
        ([[0.5, 0.5]], TypeError, "`votes` must hold integer counts, got dtype float64"),
        ([[9, 9], [10, -1]], ValueError, r"`votes` .* got \[10, -1\] for example 1"),
        ([[9, 9], [9, 9], [0, 0]], ValueError, r"`votes` .* got \[0, 0\] for example 2"),
    ],
)
def test_bad_votes(votes, error, match):
    with pytest.raises(error, match=match):
        unc.chi_square(votes)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"draws": 0}, ValueError, "`pred.draws` must be an integer of at least 1, got 0"),
        ({"mean_probs": HALVES}, ValueError, r"`pred.mean_probs` .* got shape \(2,\)"),
        ({"mean_probs": [[1.0, 1.0]]}, ValueError, "`pred.mean_probs` must sum to 1"),
        ({"expected_entropy": [0.1]}, ValueError, r"`pred.expected_entropy` .* got shape \(1,\)"),
        ({"expected_entropy": [np.nan] * 3}, ValueError, "`pred.expected_entropy` .* finite"),
        ({"label_votes": [[5, 4]] * 3}, ValueError, r"`pred.label_votes` .* summing to 9…9"),
        ({"label_votes": [[5, 5]] * 2}, ValueError, r"`pred.label_votes` .* got shape \(2, 2\)"),
        ({"label_votes": [[5.0, 5.0]] * 3}, TypeError, "`pred.label_votes` .* integer counts"),
        ({"probs": np.tile(HALVES, (9, 3, 1))}, ValueError, r"`pred.probs` .* \(9, 3, 2\)"),
    ],
)
def test_bad_streamed_predictions(change, error, match):
    pred = streamed(np.tile(HALVES, (10, 3, 1)))
    vars(pred).update(change)
    with pytest.raises(error, match=match):
        unc.summary(pred)


def test_a_prediction_without_an_attribute_is_named():
    pred = streamed(np.tile(HALVES, (10, 3, 1)))
    del pred.class_votes, pred.draws
    with pytest.raises(TypeError, match="got a SimpleNamespace without class_votes, draws"):
        unc.summary(pred)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda f: f.to_numpy(), TypeError, "`summary_frame` must be a DataFrame .* a ndarray"),
        (lambda f: f.drop(columns=["correct", "label"]), ValueError, "2 rows, without correct"),
        (lambda f: f.iloc[:0], ValueError, "`summary_frame` .* got no rows"),
        (lambda f: f.assign(correct=[1.0, 0.0]), TypeError, "of booleans, got dtype float64"),
        (lambda f: f.assign(chi_square=[np.nan, 1.0]), ValueError, "'chi_square'.* finite"),
        (lambda f: f.assign(chi_square=["a", "b"]), TypeError, "'chi_square'.* real numbers"),
    ],
)
def test_bad_summary_frames(change, error, match):
    frame = unc.summary(np.tile([0.9, 0.1], (10, 2, 1)), [0, 1])
    with pytest.raises(error, match=match):
        unc.error_detection(change(frame))


def test_inputs_are_left_as_they_were():
    probs = random_probs().astype(np.float64) * 1.0005
    before = probs.copy()
    unc.summary(probs, np.zeros(40, int))
    unc.mutual_information(probs)
    assert (probs == before).all()


def test_imports_alone():
    code = (
        "import sys, pymc_bnn.uncertainty\n"
        "print([m for m in ('pymc', 'pytensor', 'jax', 'pandas', 'scipy', 'sklearn', 'arviz')"
        " if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
