"""Fits that were saved, pickled and copied answer as before, in another process, too."""

import copy
import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import optax
import pymc as pm
import pytest

import pymc_bnn as bnn
from pymc_bnn.errors import DamagedError
from pymc_bnn.saving.definitions import definitions, differences
from tests.support.guide_parts import OneScale
from tests.support.saved_fits import (
    NEW,
    QUIET,
    X,
    Y,
    answers,
    check_same,
    make,
    regression,
)

ROOT = Path(__file__).parents[2]
HERE = ("plain", "classes")  # others: tests/long/saved_fits.py
DATA = [{"x": X, "y": Y}]


@pytest.fixture(scope="module")
def kept(tmp_path_factory, shared_programs):
    """Fits of several kinds, each saved, pickled and dumped before it is used."""
    folder, fits = tmp_path_factory.mktemp("fits"), {}
    for name in HERE:
        fits[name] = make(name)
        fits[name].save(folder / name)
        (folder / f"{name}.pickle").write_bytes(pickle.dumps(fits[name]))
        joblib.dump(fits[name], folder / f"{name}.joblib")
        expected = answers(fits[name])
        (folder / f"{name}.expected").write_bytes(pickle.dumps(expected))
        (folder / f"{name}.used").write_bytes(pickle.dumps(fits[name]))
    return folder, fits


def test_another_process_that_never_saw_them_gives_the_same_answers(kept):
    folder, _ = kept
    code = f"""
import pickle, sys
from pathlib import Path
import joblib
import pymc_bnn as bnn
folder = Path({str(folder)!r})
loaded = {{name: bnn.load(folder / name) for name in {HERE!r}}}
sys.path.insert(0, {str(ROOT)!r})
from tests.support.saved_fits import answers, check_same
for name, fitted in loaded.items():
    expected = pickle.loads((folder / f"{{name}}.expected").read_bytes())
    check_same(answers(fitted), expected)
expected = pickle.loads((folder / "plain.expected").read_bytes())
check_same(answers(pickle.loads((folder / "plain.used").read_bytes())), expected)
pickled = pickle.loads((folder / "plain.pickle").read_bytes())
for other in (pickled, joblib.load(folder / "plain.joblib")):
    assert other.mean.equals(loaded["plain"].mean)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", HERE)
def test_copies_and_pickles_have_the_same_numbers(kept, name):
    fitted = kept[1][name]
    for other in (
        copy.deepcopy(fitted),
        copy.copy(fitted),
        pickle.loads(pickle.dumps(fitted)),
        cloudpickle.loads(cloudpickle.dumps(fitted)),
    ):
        assert type(other) is type(fitted)
        for key, value in fitted.posterior.moments()[0].items():
            np.testing.assert_array_equal(other.posterior.moments()[0][key], value)


def test_predictions_can_be_pickled(kept, tmp_path):
    prediction = kept[1]["plain"].predict(NEW, 3, random_seed=1)
    joblib.dump(prediction, tmp_path / "prediction")
    for other in (
        pickle.loads(pickle.dumps(prediction)),
        joblib.load(tmp_path / "prediction"),
        copy.deepcopy(prediction),
    ):
        np.testing.assert_array_equal(other["y"].samples, prediction["y"].samples)


def test_what_was_loaded_is_saved_as_it_was(kept, tmp_path):
    for name in HERE:
        bnn.load(kept[0] / name).save(tmp_path / name)
        for file in ("model.json", "arrays.safetensors"):
            assert (tmp_path / name / file).read_bytes() == (kept[0] / name / file).read_bytes()
        one, other = (json.loads((f / name / "fit.json").read_text()) for f in (tmp_path, kept[0]))
        for root in (*one["problem"]["roots"], *other["problem"]["roots"]):
            root.pop("sha256")  # nobody knows it of data that are not there
        assert one == other


# Data -------------------------------------------------------------------------------------------


def test_no_number_of_the_data_is_written(kept):
    for name in HERE:
        text = b"".join(file.read_bytes() for file in (kept[0] / name).iterdir())
        for value in (*X.ravel(), *Y):
            assert repr(float(value)).encode() not in text
            assert np.float64(value).tobytes() not in text


def test_data_are_written_if_asked_for(kept, tmp_path):
    fitted = kept[1]["plain"]
    fitted.save(tmp_path / "fit", data=True)
    again = bnn.load(tmp_path / "fit")
    assert again.elbo(3).equals(fitted.elbo(3))
    np.testing.assert_array_equal(
        again.predict(draws=3, random_seed=1)["y"].mean,
        fitted.predict(draws=3, random_seed=1)["y"].mean,
    )


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (
            lambda f: f.elbo(),
            r"\['y', 'x'\], which were not saved; pass its batches: fitted.elbo\(d",
        ),
        (lambda f: f.predict(), r"`new_data` must hold the data .* got none; add \['y', 'x'\]"),
        (lambda f: f.predict({"y": Y}), r"got \['y'\] alone|add \['x'\]"),
        (lambda f: f.sample(3, var_names="m"), r"hold the data that sample is of, got \['x'\]"),
        (lambda f: f.refine(), r"hold the data that refine is of"),
        (lambda f: f.resume(5), r"hold the data that resume is of"),
    ],
)
def test_without_data_one_error_says_which(kept, ask, says):
    loaded = bnn.load(kept[0] / "plain")
    with pytest.raises(ValueError, match=says):
        ask(loaded)


def test_without_data_the_rest_works(kept):
    fitted, loaded = kept[1]["plain"], bnn.load(kept[0] / "plain")
    elbo = loaded.elbo(3, data=DATA)
    np.testing.assert_allclose(elbo, fitted.elbo(3), rtol=1e-5)
    assert loaded.nll({"x": X, "y": Y}) == fitted.nll({"x": X, "y": Y})
    rows = loaded.diagnose(reference=True)["says"]
    assert set(rows.index) == {"converged", "unmoved", "pruned", "reference"}
    assert "which were not saved" in rows["reference"]
    assert loaded.kl(3).equals(fitted.kl(3))
    pm.set_data({"x": X[:7]}, model=loaded.problem.model)
    assert loaded.predict(draws=3)["y"].mean.shape == (7,)


def test_a_fit_that_was_loaded_goes_on_as_the_fit_would(kept, tmp_path):
    fitted = kept[1]["plain"]
    fitted.save(tmp_path / "fit", data=True)
    loaded = bnn.load(tmp_path / "fit")
    one, other = (f.resume(5, progressbar=False) for f in (fitted, loaded))
    assert one.history.equals(other.history)
    for block, roles in one.state.params.items():
        for role, value in roles.items():
            np.testing.assert_array_equal(other.state.params[block][role], value)


def test_functions_of_a_fit_are_not_saved_and_cannot_go_on(tmp_path):
    fitted = regression(optimizer=optax.adam(0.1), kl_weight=lambda step: 0.1 + 0.1 * step)
    fitted.save(tmp_path / "fit", data=True)
    loaded = bnn.load(tmp_path / "fit")
    assert loaded.history.equals(fitted.history)
    with pytest.raises(ValueError, match="`optimizer` must be known to go on"):
        loaded.resume(5)
    program = replace(loaded.program, optimizer=optax.adam(0.1))
    with pytest.raises(ValueError, match="`kl_weight` must be known to go on"):
        replace(loaded, program=program).resume(5)


# Another model ----------------------------------------------------------------------------------


def test_a_given_model_is_taken_with_its_data(kept):
    fitted = kept[1]["plain"]
    again = bnn.load(kept[0] / "plain", model=fitted.problem.model)
    assert again.problem.model is fitted.problem.model
    assert again.elbo(3).equals(fitted.elbo(3))
    check_same(answers(again), answers(fitted))


def other_model():
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp((3, 5, 1)), pm.Data("x", X))[:, 0]
        s = pm.HalfCauchy("s", 1)
        extra = pm.Normal("extra")
        pm.Normal("y", pm.Deterministic("m", 2 * f), s + extra, observed=Y, shape=f.shape)
    return model


def test_all_differences_of_a_given_model_are_listed(kept):
    with pytest.raises(ValueError, match="`model` must be the model of the fit") as caught:
        bnn.load(kept[0] / "plain", model=other_model())
    for part in (
        "'extra' is not in the fit",
        "'dense1_W' has shape (3, 4) there and (3, 5) here",
        "'dense1_b' has shape (4,) there and (5,) here",
        "'s' is made of HalfNormal there and HalfCauchy",
        "'m' is made of",
    ):
        assert part in str(caught.value)


def test_a_given_model_with_other_numbers_is_warned_of(kept):
    with pm.Model() as model:
        f = bnn.bayesian(bnn.networks.mlp((3, 4, 1)), pm.Data("x", X))[:, 0]
        m = pm.Deterministic("m", f)
        pm.Normal("y", m, pm.HalfNormal("s"), observed=Y + 1, shape=f.shape)
    with pytest.warns(
        UserWarning, match=r"`model` holds other numbers in \['y'\] than the fit had"
    ):
        bnn.load(kept[0] / "plain", model=model)


def test_each_of_a_few_numbers_counts(tmp_path):
    """Also the last of those that take more letters than are shown."""
    scales = np.linspace(1, 2, 7) / 3

    def model_of(scales):
        with pm.Model() as model:
            pm.Normal("w", 0, scales, shape=7)
            pm.Potential("p", -((model["w"] - 1) ** 2).sum())
        return model

    bnn.fit(model_of(scales), steps=2, progressbar=False).save(tmp_path / "fit")
    bnn.load(tmp_path / "fit", model=model_of(scales.copy()))
    for i in (0, 6):
        other = scales.copy()
        other[i] *= 1 + 1e-9
        with pytest.raises(ValueError, match=r"'w' is made of \[0\.33.* there and \[0\.33"):
            bnn.load(tmp_path / "fit", model=model_of(other))
    # As files were written at first: words were cut.
    now = definitions(model_of(scales), {"w": (7,)})
    first = {**now, "w": {**now["w"], "definition": [w[:60] for w in now["w"]["definition"]]}}
    assert max(map(len, first["w"]["definition"])) == 60
    assert not differences(first, now)


def test_a_model_that_cannot_be_written_is_asked_for(tmp_path):
    def logp(value, mu):
        return -((value - mu) ** 2)

    with pm.Model() as model:
        pm.CustomDist("y", pm.Normal("mu"), logp=logp, observed=Y)
    fitted = bnn.fit(model, **QUIET)
    with pytest.warns(
        UserWarning, match=r"saved without its model \(in 'y' CustomDist_y is a pm.C"
    ):
        fitted.save(tmp_path / "fit")
    with pytest.raises(
        ValueError, match=r"`model` must be the model of the fit, got None .*'y' Cus"
    ):
        bnn.load(tmp_path / "fit")
    loaded = bnn.load(tmp_path / "fit", model=model)
    assert loaded.mean.equals(fitted.mean)


@pytest.mark.parametrize("model", ["model", 3])
def test_what_is_no_model_is_refused(kept, model):
    with pytest.raises(TypeError, match=r"`model` must be a pymc.Model, got a"):
        bnn.load(kept[0] / "plain", model=model)


# Guides of one's own, places, formats -----------------------------------------------------------


def test_a_guide_of_ones_own_has_to_be_defined(tmp_path):
    fitted = regression(guide=OneScale())
    fitted.save(tmp_path / "fit")
    assert isinstance(bnn.load(tmp_path / "fit").program.guide.blocks[0].guide, OneScale)

    def elsewhere(fit):
        for block in fit["program"]["blocks"]:
            block["guide"]["class"] = "mine.OneScale"

    path = rewritten(tmp_path / "fit", tmp_path, elsewhere)
    with pytest.raises(
        ValueError, match=r"must be of guides .* defined here, got .*'mine.OneScale'"
    ):
        bnn.load(path)


def test_nothing_is_overwritten(kept, tmp_path):
    with pytest.raises(
        ValueError, match="`path` must be a path at which nothing is yet, got a fol"
    ):
        kept[1]["plain"].save(kept[0] / "plain")
    with pytest.raises(TypeError, match="`data` must be True or False, got 1"):
        kept[1]["plain"].save(tmp_path / "fit", data=1)
    loaded = bnn.load(kept[0] / "plain")
    with pytest.raises(ValueError, match="`data` must be False for a fit that was loaded without"):
        loaded.save(tmp_path / "fit", data=True)
    assert not os.listdir(tmp_path)


def rewritten(folder, tmp_path, change, file="fit.json"):
    """Copy a fit, change what a file says, and make the checksums right again."""
    import hashlib

    path = tmp_path / "changed"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(folder, path)
    found = json.loads((path / file).read_text())
    change(found)
    (path / file).write_text(json.dumps(found))
    names = sorted(set(os.listdir(path)) - {"SHA256SUMS"})
    sums = [f"{hashlib.sha256((path / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    (path / "SHA256SUMS").write_text("".join(sums))
    return path


def test_later_formats_and_other_libraries_say_so(kept, tmp_path):
    path = rewritten(kept[0] / "plain", tmp_path, lambda f: f.update(format=99))
    with pytest.raises(ValueError, match=r"be of format 1 or below, got .* upgrade pymc_bnn"):
        bnn.load(path)

    def older(fit):
        fit["versions"]["pymc"] = "5.0.0"
        fit["problem"]["roots"].pop()

    path = rewritten(kept[0] / "plain", tmp_path, older)
    with pytest.raises(
        DamagedError, match=r"it was saved with pymc 5.0.0: install these, or pass mod"
    ):
        bnn.load(path)


def changes():
    """Yield changes of what files say, none of which is a fit."""
    yield "no kind", "fit.json", lambda f: f.pop("kind")
    yield "kind", "fit.json", lambda f: f.update(kind="__class__")
    yield "rows", "fit.json", lambda f: f["problem"]["terms"].update(rows=[99])
    yield "n", "fit.json", lambda f: f["problem"].update(n=[1])
    yield "dtype", "fit.json", lambda f: f["problem"].update(dtype="object")
    yield "guide", "fit.json", lambda f: f["program"]["blocks"][0]["guide"].update({"class": "os"})
    yield (
        "scale",
        "fit.json",
        lambda f: f["program"]["blocks"][0]["guide"]["with"].update(init_scale=-1),
    )
    yield "blocks", "fit.json", lambda f: f["program"]["blocks"].pop()
    yield "method", "fit.json", lambda f: f["program"].update(method={"class": "Plan", "with": {}})
    yield "arrays", "fit.json", lambda f: f["arrays"].update(key={"as": "nothing"})
    yield (
        "huge",
        "fit.json",
        lambda f: f["arrays"].update({"start/dense1_W": {"all": "step", "shape": [10**9, 10**9]}}),
    )
    yield "model", "fit.json", lambda f: f.update(model="/etc/passwd.json", problem=None)
    yield "graph", "model.json", lambda f: f.pop("graph")
    yield "absent", "model.json", lambda f: next(
        i for i in f["inputs"] if "absent" in i
    ).update(absent=[10**12, 3])  # fmt: skip


@pytest.mark.parametrize(("name", "file", "change"), list(changes()))
def test_files_of_strangers_are_refused(kept, tmp_path, name, file, change):
    path = rewritten(kept[0] / "plain", tmp_path, change, file)
    with pytest.raises(ValueError, match="`path` must"):
        bnn.load(path)


def test_what_was_changed_cut_or_added_is_refused(kept, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(60):
        path = tmp_path / "fit"
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(kept[0] / "plain", path)
        file = path / rng.choice(sorted(os.listdir(path)))
        content = bytearray(file.read_bytes())
        if i % 3 == 0:
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        elif i % 3 == 1:
            content = content[: rng.integers(len(content))]
        else:
            content += bytes(rng.integers(0, 256, 5, dtype=np.uint8))
        file.write_bytes(content)
        with pytest.raises(DamagedError, match="`path` must be a folder as it was saved"):
            bnn.load(path)


# The format -------------------------------------------------------------------------------------


def test_fits_of_this_format_can_always_be_loaded():
    folder = Path(__file__).parent / "format_1"
    for name, expected in json.loads((folder / "expected.json").read_text()).items():
        loaded = bnn.load(folder / name)
        found = loaded.predict({"x": [[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]]}, 50, random_seed=1)
        mean = found.mean_probs if name == "classes" else found["y"].mean
        np.testing.assert_allclose(mean, expected["predicted"], rtol=1e-3, atol=1e-4)
        moments = {k: np.mean(v) for k, v in loaded.posterior.moments()[0].items()}
        np.testing.assert_allclose(list(moments.values()), expected["means"], rtol=1e-5, atol=1e-6)
