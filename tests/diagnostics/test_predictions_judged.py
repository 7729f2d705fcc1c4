"""Verdicts on predictions, of held-out data and beside NUTS: known good and known bad."""

from dataclasses import replace

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.diagnostics.checks.calibration import judged_classes, judged_values
from pymc_bnn.diagnostics.checks.case import Case
from pymc_bnn.diagnostics.checks.reference import compared, judged_density, reference
from pymc_bnn.inference.refine import NutsOptions, Refinement
from pymc_bnn.posterior.of_draws import KeptDraws
from pymc_bnn.refined import Refined
from tests.support.conjugate import POSTERIOR_MEAN, PRECISION, QUIET, SIGMA, conjugate
from tests.support.exact import classes, counts, densities, regression

SEEDS = range(20)
FEW = {"train": 12, "columns": 8}  # rows, so that the posterior matters beside the noise
RNG = np.random.default_rng(11)
EQUAL = (0.25,) * 4  # shares of chains
NEW_X = RNG.normal(size=(150, 3))
NEW = {"x": NEW_X, "y": NEW_X @ [1.0, -2.0, 0.5] + SIGMA * RNG.normal(size=150)}


def shares(verdict):
    """Return the share of each verdict over data sets."""
    found = [verdict(np.random.default_rng(seed)).verdict for seed in SEEDS]
    return {word: found.count(word) / len(found) for word in ("good", "look", "bad")}


# Calibration -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "options"), [(regression, {}), (regression, FEW), (counts, {})])
def test_exact_predictions_of_values_are_calibrated(model, options):
    """Also where all rows share what few rows could not tell."""
    found = shares(lambda rng: judged_values("y", *model(rng, **options)[-2:]))
    assert found["good"] >= 0.85
    assert found["bad"] <= 0.05


@pytest.mark.parametrize(
    ("noise", "word", "repair"), [(0.5, "too narrow", "members="), (2, "too wide", "kl_weight=")]
)
def test_widths_that_are_off_are_bad_and_the_sentence_says_which_way(noise, word, repair):
    found = [
        judged_values("y", *regression(np.random.default_rng(seed), noise=noise)[-2:])
        for seed in range(10)
    ]
    assert {f.verdict for f in found} == {"bad"}
    assert all(word in f.says and repair in f.says for f in found)


def test_overdispersed_counts_are_found():
    found = shares(lambda rng: judged_values("y", *counts(rng, spread=1.0)))
    assert found["good"] <= 0.1


def test_columns_of_a_row_count_once():
    """Ten copies of a column are no more evidence than one."""
    _, samples, y = regression(np.random.default_rng(2), rows=100, noise=0.8)
    one = judged_values("y", samples, y)
    ten = judged_values("y", *(np.repeat(a[..., None], 10, axis=-1) for a in (samples, y)))
    assert (one.verdict, one.value) == (ten.verdict, ten.value)


def test_classes():
    assert shares(lambda rng: judged_classes("y", *classes(rng, draws=100)))["good"] >= 0.85
    for sure, word in ((5, "too sure"), (0.1, "not sure enough")):
        found = [
            judged_classes(
                "y", *classes(np.random.default_rng(seed), 1000, 100, cells=100, sure=sure)
            )
            for seed in range(10)
        ]
        words = [f.verdict for f in found]
        assert words.count("good") == 0
        assert words.count("bad") >= 7
        assert all(word in f.says for f in found)


# Reference ---------------------------------------------------------------------------------------


def test_what_is_off_beside_the_reference():
    z = np.random.default_rng(0).normal(size=(2, 4, 200, 30))

    def words(own):
        return [f.verdict for f in compared("mean of y", own, z[1], EQUAL)]

    assert words(z[0]) == ["good", "good"]
    assert words(0.78 * z[0] + 0.7) == ["look", "look"]
    assert words(z[0] / 2) == ["good", "bad"]
    assert words(2 * z[0]) == ["good", "bad"]
    assert words(z[0] + 2) == ["bad", "good"]
    assert words(0 * z[0]) == ["good", "bad"]  # a point
    assert not list(compared("mean of y", z[0], 0 * z[1], EQUAL))


def test_chains_count_by_their_weights():
    values = np.stack([np.zeros((100, 1)), np.ones((100, 1))]) + 1e-3 * np.arange(100)[:, None]
    shift, _ = compared("y", values[1:], values, [0.0, 1.0])
    assert shift.value < 1e-6


def test_densities_beside_the_reference():
    def of(sure):
        def judge(rng):
            seed = int(rng.integers(2**31))
            exact, _, y = regression(np.random.default_rng(seed), draws=800, **FEW)
            own, _, _ = regression(np.random.default_rng(seed), sure=sure, **FEW)
            return judged_density(densities(own, y), densities(exact[400:], y), EQUAL)

        return judge

    assert shares(of(1))["bad"] <= 0.05
    assert shares(of(3))["bad"] >= 0.35  # of the others many lose nothing
    nothing = np.tile([-np.inf, 0.0, 0.0], (4, 1))
    assert judged_density(nothing, np.zeros((4, 3)), EQUAL).verdict == "bad"


# Fits --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(conjugate(), steps=1200, guide=bnn.guides.FullRank(), **QUIET)


@pytest.fixture(scope="module")
def exact():
    """Draws of the posterior that the model has, as NUTS would leave them."""
    spread = np.linalg.cholesky(np.linalg.inv(PRECISION))
    w = POSTERIOR_MEAN + np.random.default_rng(5).normal(size=(4, 60, 3)) @ spread.T
    return KeptDraws({"w": w.astype("float32")}, EQUAL)


def case_of(fitted, **options):
    return Case(fitted.problem, fitted.program, fitted.posterior, fitted.record, **options)


REFERENCE = ["reference", *(f"reference: {k} of mean of y" for k in ("shift", "width"))]
REFERENCE += ["reference: log-density"]


def test_a_good_fit_beside_its_own_posterior(fitted, exact):
    found = {f.check: f for f in reference(case_of(fitted, reference=exact))}
    assert list(found) == REFERENCE
    assert {f.verdict for f in found.values()} == {"good"}
    assert "rows of the fit" in found["reference: log-density"].says
    assert abs(found["reference: width of mean of y"].value - 1) < 0.15


def test_a_posterior_of_half_the_width_is_bad_unless_the_chains_did_not_mix(fitted, exact):
    center = exact.values["w"].mean(axis=(0, 1))
    narrow = replace(exact, values={"w": center + 0.5 * (exact.values["w"] - center)})
    narrow = replace(case_of(fitted, reference=exact), posterior=narrow)
    found = {f.check: f for f in reference(narrow)}
    assert found["reference: width of mean of y"].verdict == "bad"
    assert abs(found["reference: width of mean of y"].value - 0.5) < 0.1
    assert found["reference: shift of mean of y"].verdict == "good"
    apart = exact.values["w"] + np.arange(4, dtype="float32")[:, None, None]
    apart = replace(narrow, reference=replace(exact, values={"w": apart}))
    found = list(reference(apart))
    assert found[0].value > 1.2
    assert {f.verdict for f in found} == {"look"}


def as_refined(fitted, posterior):
    """Return draws as refine() returns them."""
    return Refined(fitted.problem, fitted.posterior, Refinement(posterior, {}, 1, 1, 0.0))


def test_held_out_rows_and_draws_in_one_table(fitted, exact):
    refined = as_refined(fitted, exact)
    table = fitted.diagnose(10, data=NEW, reference=refined)
    assert list(table.index)[-5:] == ["calibration of y", *REFERENCE]
    assert set(table["verdict"]) == {"good"}
    assert "held-out" in table.loc["reference: log-density", "says"]
    nll = fitted.nll(NEW, 400), refined.nll(NEW, 400)
    assert abs(table.loc["reference: log-density", "value"] - (nll[1] - nll[0])) < 0.01


def test_nuts_that_cannot_be_run_is_a_row(fitted, monkeypatch):
    def missing(*args):
        raise ModuleNotFoundError("refine needs blackjax\nmore")

    monkeypatch.setattr("pymc_bnn.diagnostics.checks.reference.refine", missing)
    [found] = reference(case_of(fitted, reference=True))
    assert (found.verdict, found.says) == ("look", "no draws by NUTS: refine needs blackjax")
    monkeypatch.setattr("pymc_bnn.diagnostics.checks.reference.refine", lambda *args: None)
    [found] = reference(case_of(fitted, reference=True))
    assert (found.verdict, "interrupted" in found.says) == ("look", True)
    streamed = replace(fitted.problem, streamed=True)
    [found] = reference(replace(case_of(fitted, reference=True), problem=streamed))
    assert (found.verdict, "must hold all data" in found.says) == ("look", True)


def test_nuts_is_run_where_it_is_asked_for(fitted, monkeypatch):
    small = NutsOptions(100, 150, max_tree_depth=4, max_minutes=None, progressbar=False)
    monkeypatch.setattr("pymc_bnn.diagnostics.checks.reference.NutsOptions", lambda: small)
    table = fitted.diagnose(10, reference=True)
    assert list(table.index)[-4:] == REFERENCE
    assert "bad" not in set(table["verdict"])


def test_a_mixture_is_judged_as_a_whole():
    both = bnn.fit(conjugate(), steps=30, members=2, **QUIET)
    table = both.diagnose(5, data=NEW)
    assert set(table.index.get_level_values("member")) == {0, 1, "mixture"}
    assert list(table.loc["mixture"].index) == ["calibration of y"]


def test_models_without_observed_variables_compare_the_variables():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Potential("tilt", -0.5 * (mu - 1) ** 2)
    fitted = bnn.fit(model, steps=1500, **QUIET)
    drawn = 0.5 + np.sqrt(0.5) * np.random.default_rng(0).normal(size=(4, 200)).astype("float32")
    found = list(reference(case_of(fitted, reference=KeptDraws({"mu": drawn}, EQUAL))))
    assert [f.check for f in found] == [
        "reference",
        "reference: shift of mu",
        "reference: width of mu",
    ]
    assert {f.verdict for f in found} == {"good"}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"data": {"x": NEW_X}}, ValueError, r"`data` must contain the observed variables.*'y'"),
        ({"data": {}}, TypeError, "`data` must be a dictionary"),
        ({"data": NEW_X}, TypeError, "`data` must be a dictionary"),
        ({"data": {"z": NEW_X}}, ValueError, "`data` must name data of the model"),
        ({"reference": "NUTS"}, TypeError, "`reference` must be True or what"),
        ({"reference": None}, TypeError, "`reference` must be True or what"),
    ],
)
def test_bad_arguments(fitted, options, error, message):
    with pytest.raises(error, match=message):
        fitted.diagnose(**options)


def test_draws_of_another_model_are_no_reference(fitted):
    other = as_refined(fitted, KeptDraws({"mu": np.zeros((4, 9))}, EQUAL))
    with pytest.raises(ValueError, match="`reference` must be draws of the same model"):
        fitted.diagnose(reference=other)
