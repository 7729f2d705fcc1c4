"""Which question every kind of result answers, and which with one clear error."""

import json
import tempfile
import warnings

import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.efficiency import gradient_variance
from pymc_bnn.report import write_report

X = np.random.default_rng(0).normal(size=(40, 3))
Y = (X[:, 0] > 0).astype(int)
NEW = {"x": X[:5], "y": Y[:5]}
QUIET = {"random_seed": 1, "progressbar": False}


def model():
    with pm.Model() as made:
        mu = pm.Data("x", X) @ pm.Normal("w", shape=3)
        pm.Bernoulli("y", logit_p=mu, observed=Y)
    return made


def of(**options):
    return bnn.fit(model(), steps=40, **QUIET, **options)


def refined(fitted, **options):
    with warnings.catch_warnings():  # so few draws
        warnings.simplefilter("ignore", UserWarning)
        return fitted.refine(4, tune=4, chains=2, max_tree_depth=2, **QUIET, **options)


KINDS = ("fit", "points", "mixture", "ensemble", "streamed", "refined")


@pytest.fixture(scope="module")
def results():
    points = bnn.guides.Delta()
    made = {
        "fit": of(),
        "points": of(guide=points),
        "mixture": of(members=2),
        "ensemble": of(members=2, guide=points),
        "streamed": of(data=[{"x": X, "y": Y}], total_size=80),
    }
    return {**made, "refined": refined(made["fit"])}


def report(fitted, folder):
    prediction = fitted.predict({"x": X[:20]}, 10, random_seed=1)
    labels = Y[:20] ^ (np.arange(20) % 5 == 0)  # some are predicted wrongly
    return write_report(folder, fitted, prediction, labels, seconds=1.0, elbo_draws=2)


def saved(fitted):
    with tempfile.TemporaryDirectory() as folder:
        fitted.save(f"{folder}/fit")
        return bnn.load(f"{folder}/fit")


def written(fitted):
    with tempfile.TemporaryDirectory() as folder:
        options = {"draws": 3, "progressbar": False}
        return fitted.predict_to(f"{folder}/pred", [NEW], **options).log_density.to_numpy()


def batches(fitted):
    return [{"x": X, "y": Y}] if fitted.streamed else None


# What is asked, and how kinds refuse it that do not answer.
QUESTIONS = {
    "mean": (lambda f: f.mean["w"], {}),
    "std": (lambda f: f.std["w"], {}),
    "sample": (lambda f: f.sample(3).posterior["w"], {}),
    "predict": (lambda f: f.predict(NEW, 3).log_density, {}),
    "predict at the mean": (
        lambda f: f.predict(NEW, 3, at="mean").log_density,
        dict.fromkeys(("mixture", "ensemble"), "must have a mean that stands for it"),
    ),
    "predict_to": (written, {}),
    "nll": (lambda f: f.nll(NEW, 3), {}),
    "elpd": (lambda f: f.elpd(NEW, 3).elpd, {}),
    "loo": (
        lambda f: f.loo(None if isinstance(f, bnn.Refined) else 100).elpd,
        {
            **dict.fromkeys(("points", "ensemble"), "must have a density for its draws"),
            **dict.fromkeys(("fit", "mixture"), "k-hat up to 0.7, got"),  # of so few steps
            "streamed": "must hold all data for rows to be left out",
            "refined": "`draws` must be at least 100",
        },
    ),
    "to_datatree": (lambda f: f.to_datatree(3).posterior["w"], {}),
    "save": (lambda f: saved(f).nll(NEW, 3), {}),
    "elbo": (
        lambda f: f.elbo(2)["nll"],
        {"streamed": "`data` must be given", "refined": "must have an ELBO"},
    ),
    "kl": (
        lambda f: f.kl(2),
        {
            **dict.fromkeys(("mixture", "ensemble"), "must have a KL of each variable"),
            "refined": "must have a KL",
        },
    ),
    "summary": (lambda f: f.summary()["scale_ratio"], {}),
    "scale_ratio": (lambda f: f.scale_ratio(), {}),
    "diagnose": (lambda f: f.diagnose(5)["value"], {"refined": "must have a run to be diagnosed"}),
    "diagnose of held-out rows": (
        lambda f: f.diagnose(5, data=NEW)["value"],
        {"refined": "must have a run to be diagnosed"},
    ),
    "params": (
        lambda f: f.params["w"]["loc"],
        {
            **dict.fromkeys(("mixture", "ensemble"), "must have parameters of its own"),
            "refined": "must have parameters",
        },
    ),
    "history": (lambda f: f.history["nll"], {"refined": "must have a history"}),
    "plot": (
        lambda f: f.plot().get_lines()[0].get_ydata(),
        {"refined": "must have an ELBO along its steps .* az.plot_trace_dist"},
    ),
    "shown in a notebook": (lambda f: f._repr_html_().count("<td>"), {}),
    "objective": (lambda f: len(f.objective), {"refined": "must have an objective"}),
    "interrupted": (lambda f: float(f.interrupted), {}),
    "refine": (
        lambda f: refined(f).mean["w"],
        {"streamed": "must hold all data to be refined", "refined": "must have a guide to be"},
    ),
    "stack": (
        lambda f: f.stack(NEW, 3).weights,
        dict.fromkeys(("fit", "points", "streamed", "refined"), "must be a mixture of fits"),
    ),
    "resume": (
        lambda f: f.resume(2, data=batches(f), progressbar=False).mean["w"],
        {"refined": "must be a fit by steps to go on"},
    ),
    "start": (
        lambda f: bnn.fit(model(), steps=1, start=f, **QUIET).mean["w"],
        dict.fromkeys(("mixture", "ensemble"), "must be a mixture of as many members, 1"),
    ),
    "from_posterior": (
        lambda f: float(isinstance(bnn.priors.from_posterior(f), bnn.priors.Prior)),
        {},
    ),
    "table": (
        lambda f: bnn.table(f).frame["parameters"],
        {"refined": "must have guides to tell of"},
    ),
    "gradient_variance": (
        lambda f: gradient_variance(f, draws=2)["noise_loc"],
        {"streamed": "must be a fit of data in memory", "refined": "by variational inference"},
    ),
}


FACTS = {  # of any kind, that nothing is computed for
    *("problem", "posterior", "points", "streamed", "n_examples", "n_parameters", "kl_weight"),
    *("exact", "interrupted"),
}
OF_ITS_KIND = {
    *("program", "state", "record", "start", "kl_path", "weights", "members"),  # fields
    *("converged", "convergence", "of"),
}


def test_every_method_is_asked():
    asked = {word for question in QUESTIONS for word in question.split()}
    kinds = (bnn.Approximation, bnn.Mixture, bnn.Refined)
    public = {name for kind in kinds for name in dir(kind) if not name.startswith("_")}
    assert public - asked - FACTS - OF_ITS_KIND == set()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_result_answers_or_says_in_one_sentence_why_not(results, kind, question):
    ask, refusals = QUESTIONS[question]
    if kind in refusals:
        with pytest.raises((TypeError, ValueError), match=refusals[kind]) as caught:
            ask(results[kind])
        assert "\n" not in str(caught.value)
        return
    answer = np.asarray(ask(results[kind]), float)
    assert answer.size
    unknown = kind in ("points", "ensemble") and question in ("kl", "summary", "scale_ratio")
    assert np.isfinite(answer).any() or unknown  # points have no scale


@pytest.mark.parametrize("kind", ["mixture", "ensemble", "refined"])
def test_reports_of_several_fits_and_of_draws(results, kind, tmp_path):
    found = report(results[kind], tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == found
    assert found["kl_weight"] == 1
    assert list(found["scale_ratio"]) == ["w"]
    assert (tmp_path / "elbo.png").exists() == (kind != "refined")
    assert {"elbo", "objective"} & found.keys() == {
        *{"mixture": ["elbo"], "ensemble": ["objective"], "refined": []}[kind]
    }
    assert (tmp_path / "variables.csv").read_text().count("w") >= (1 if kind == "refined" else 2)
