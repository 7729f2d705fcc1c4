"""What is seen of results while they come and once they are there: bars, tables of notebooks."""

import io
import sys
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import numpy as np
import pymc as pm
import pytest
import rich
from rich.console import Console

import pymc_bnn as bnn
from pymc_bnn.inference import visit_progress
from pymc_bnn.inference.metrics import Metrics
from pymc_bnn.inference.progress import Progress
from pymc_bnn.prediction import ClassPrediction, Prediction, ValuePrediction

X = np.linspace(-1, 1, 30)
QUIET = {"steps": 30, "random_seed": 1, "progressbar": False}


def made(name="<w>"):
    with pm.Model() as model:
        f = pm.Deterministic("f", pm.Data("x", X) * pm.Normal(name))
        pm.Normal("y", f, 1, observed=X)
    return model


@pytest.fixture(scope="module")
def fits():
    ensemble = {"members": 2, "guide": bnn.guides.Delta()}
    return {
        "one": bnn.fit(made(), **QUIET),
        "mixture": bnn.fit(made(), members=2, **QUIET),
        "ensemble": bnn.fit(made(), **ensemble, **QUIET),
    }


# Progress bars -----------------------------------------------------------------------------------


@pytest.fixture
def console(monkeypatch):
    """Let bars appear at once; return a function that makes rich's console."""
    monkeypatch.setattr(visit_progress, "_DELAY_S", 0.0)

    def make(**options):
        seen = Console(file=io.StringIO(), width=120, color_system=None, **options)
        monkeypatch.setattr(rich, "_console", seen)
        return seen.file

    return make


def left_out(fitted, **bar):
    with suppress(ValueError, UserWarning):  # after all draws, that they are not near enough
        fitted.loo(100, **bar)


LIKELIHOOD = {"groups": "log_likelihood", "random_seed": 1}
CALLS = {
    "predicting": (lambda f, **bar: f.predict(draws=7, random_seed=1, **bar), "7/7 draws"),
    "predicting, of elpd": (lambda f, **bar: f.elpd({"x": X, "y": X}, 7, **bar), "7/7 draws"),
    "ELBO": (lambda f, **bar: f.elbo(5, **bar), "5/5 draws"),
    "log-densities": (lambda f, **bar: f.to_datatree(6, **LIKELIHOOD, **bar), "6/6 draws"),
    "leave-one-out": (left_out, "100/100 draws"),
}


@pytest.mark.parametrize("label", CALLS)
def test_bars_count_draws_in_terminals_and_say_nothing_elsewhere(fits, console, label):
    call, end = CALLS[label]
    label = label.split(",")[0]
    for options, bar, shown in (
        ({"force_terminal": True}, {}, True),
        ({"force_terminal": True}, {"progressbar": False}, False),
        ({}, {}, False),
    ):
        file = console(**options)
        call(fits["one"], **bar)
        assert (label in file.getvalue() and end in file.getvalue()) == shown
        assert bool(file.getvalue()) == shown


def test_what_takes_less_than_a_second_shows_nothing(fits, console, monkeypatch):
    monkeypatch.setattr(visit_progress, "_DELAY_S", 1e9)
    file = console(force_terminal=True)
    fits["one"].predict(draws=3)
    assert file.getvalue() == ""


def test_a_mixture_counts_the_draws_of_all_members(fits, console):
    file = console(force_terminal=True)
    fits["mixture"].elbo(3)
    assert "6/6 draws" in file.getvalue()


def test_bars_in_notebooks_redraw_one_output_without_widgets(fits, console, monkeypatch):
    shown = []

    def update(bar):
        shown.append(bar._repr_mimebundle_((), ()))

    def display(bar, *, display_id):
        assert display_id
        update(bar)
        return SimpleNamespace(update=update)

    names = {"IPython": ModuleType("IPython"), "IPython.display": ModuleType("IPython.display")}
    names["IPython.display"].display = display
    for name, module in names.items():
        monkeypatch.setitem(sys.modules, name, module)
    console(force_jupyter=True)
    fits["one"].predict(draws=4, random_seed=1)
    assert len(shown) >= 4
    assert "4/4" in shown[-1]["text/plain"]
    with Progress(labels=True) as bars:
        for label in ("a fit", "another"):
            bars.row(10, 1, label).update(10, Metrics(np.ones(10), np.ones(10), np.zeros(10)), 10)
    assert shown[-1]["text/html"].count("10/10") == 2
    assert "another" in shown[-1]["text/html"]


# Tables and pictures -----------------------------------------------------------------------------


def test_a_fit_is_a_table_of_its_variables(fits):
    for fitted, guide in ((fits["one"], "MeanField"), (fits["ensemble"], "Delta")):
        html = fitted._repr_html_()
        assert "<w>" not in html  # a name is no markup
        assert "&lt;w&gt;" in html
        assert f"<td>{guide}</td>" in html


def test_a_fit_draws_its_elbo_and_a_mixture_that_of_each_member(fits):
    assert fits["one"].plot().get_ylabel() == "ELBO [nats per example]"
    for kind, label in (("mixture", "ELBO"), ("ensemble", "objective")):
        ax = fits[kind].plot()
        assert len(ax.get_lines()) == 2
        assert ax.get_ylabel().startswith(f"{label} [nats per example]")


def test_a_network_is_a_table_of_its_layers():
    html = bnn.networks.mlp((3, 4, 2), activation="tanh")._repr_html_()
    assert "26 numbers" in html
    assert "<td>(3, 4), (4,)</td>" in html
    assert html.count("<tr") == 4


def test_predictions_are_their_first_rows():
    probs = np.full((9, 3), [0.2, 0.7, 0.1])
    votes = np.full((9, 3), [1, 2, 0])
    label = ClassPrediction(3, probs, np.zeros(9), votes, votes, None, None)
    several = ValuePrediction(3, np.ones((2, 9)), np.zeros((2, 9)), None, rows=1)
    number = ValuePrediction(3, np.float64(0.5), np.float64(0.1), None, rows=None)
    html = Prediction({"label": label, "y": several, "s": number}, 3, None)._repr_html_()
    for part in (label, several, number):
        assert part._repr_html_().split("</p>")[1] in html
    assert label._repr_html_().count("<td>0.7</td>") == 5
    assert several._repr_html_().count("<tr") - 2 == 5
    assert "<th>std 1</th>" in several._repr_html_()
    assert "<td>0.5</td>" in number._repr_html_()
