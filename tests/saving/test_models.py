"""Models written as JSON and read again, here and in a process that never saw what wrote them."""

import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest

from pymc_bnn.saving.models import is_absent, model_from_json, model_to_json
from pymc_bnn.saving.ops import CannotWriteError
from tests.support.saved_models import MODELS, X, Y, density, facts, make, random_points

HERE = (  # the others are in tests/long/saved_models.py
    *("hierarchical", "dense", "nested", "initial_values"),
)


def as_text(made, absent=frozenset()):
    written, arrays = model_to_json(made, absent)
    return json.loads(json.dumps(written, allow_nan=False)), arrays


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """Facts and densities of models that another process read."""
    folder, asked = tmp_path_factory.mktemp("models"), {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in HERE:
            made = make(name)
            points = random_points(made, 1)
            asked[name] = (*as_text(made), points)
    (folder / "asked").write_bytes(pickle.dumps(asked))
    root = Path(__file__).parents[2]
    code = f"""
import importlib.util, json, pickle, sys
import pymc_bnn.saving.models as m
before = set(sys.modules)
asked = pickle.load(open({str(folder / "asked")!r}, "rb"))
read = {{name: m.model_from_json(w, arrays) for name, (w, arrays, _) in asked.items()}}
sys.path.insert(0, {str(root)!r})
from tests.support.saved_models import density, facts
found = {{k: (facts(v), density(v, asked[k][2])) for k, v in read.items()}}
pickle.dump(found, open({str(folder / "found")!r}, "wb"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = pickle.loads((folder / "found").read_bytes())
    return {name: (*found[name], asked[name][2]) for name in HERE}


@pytest.mark.parametrize("name", HERE)
def test_another_process_has_the_same_model(name, elsewhere):
    read, densities, points = elsewhere[name]
    made = make(name)
    if name != "dense":  # whose weights start elsewhere each time
        assert read == facts(made)
        assert densities == density(made, points)
    assert np.isfinite(densities).all()


def test_networks_come_back_with_the_weights_they_start_at():
    made = make("dense")
    read = model_from_json(*as_text(made))
    points = random_points(made, 1)
    assert facts(read) == facts(made)
    assert density(read, points) == density(made, points)


def test_what_was_read_can_be_written_again_after_use():
    made = make("hierarchical")
    text, arrays = as_text(made)
    read = model_from_json(text, arrays)
    density(read, random_points(read, 1))
    assert as_text(read) == (text, arrays)


def test_a_model_that_was_read_goes_with_pymc():
    read = model_from_json(*as_text(make("hierarchical")))
    with pm.do(read, {"mu": 3.0}) as changed:
        pm.set_data({"x": np.zeros(2), "g": np.zeros(2, int)}, coords={"obs": range(2)})
        drawn = pm.draw(changed["a"], 3, random_seed=1)
    assert drawn.shape == (3, 4)
    assert [v.name for v in changed.free_RVs] == ["tau", "a", "s"]


def test_large_arrays_stay_out_of_json():
    with pm.Model() as made:
        pm.Normal("y", pt.dot(np.arange(3000.0).reshape(1000, 3), pm.Normal("w", shape=3)), 1,
                  observed=np.arange(1000.0))  # fmt: skip
    text, arrays = as_text(made)
    assert sorted(a.shape for a in arrays.values()) == [(1000,), (1000, 3)]
    assert len(json.dumps(text)) < 10_000


def test_absent_data_leave_no_number_behind():
    secret = Y + 1234.5
    with pm.Model() as made:
        x = pm.Data("x", X + 5678.25)
        y = pm.Normal("y", x @ pm.Normal("w", shape=3), 1, observed=secret)
    text, arrays = as_text(made, {x, made.rvs_to_values[y]})
    assert not arrays
    numbers = json.dumps(text)
    assert not any(repr(float(v)) in numbers for v in (*secret, *(X + 5678.25).ravel()))
    read = model_from_json(text, arrays)
    assert is_absent(read["x"])
    assert np.isnan(read["x"].get_value()).all()
    assert read["x"].get_value(borrow=True).strides == (0, 0)  # in no memory


class Mine(pm.distributions.transforms.Ordered):
    """A transform of a user's own."""


def custom():
    pm.CustomDist("y", pm.Normal("mu"), logp=lambda v, m: -((v - m) ** 2), observed=Y)


def custom_graph():
    pm.CustomDist("y", pm.Normal("mu"), dist=lambda m, size: pm.Normal.dist(m, size=size) + 1,
                  observed=Y)  # fmt: skip


def own_transform():
    pm.Normal("cuts", shape=3, transform=Mine(), initval=[0.0, 1, 2])
    pm.Normal("y", pm.Normal("mu"), observed=Y)


def odd_coords():
    pm.modelcontext(None).add_coord("thing", [object(), object()])
    pm.Normal("y", pm.Normal("mu", dims="thing").sum(), observed=Y)


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (custom, "in 'y' CustomDist_y is a pm.CustomDist, made of Python functions"),
        (custom_graph, "in 'y' CustomDist_y is a pm.CustomDist"),
        (own_transform, "of 'cuts' its transform, a Mine, is not one of PyMC's"),
        (odd_coords, "the coords of 'thing' hold <object"),
    ],
)
def test_what_cannot_be_written_says_why(write, says):
    with pm.Model() as made:
        write()
    with pytest.raises(CannotWriteError, match=says):
        model_to_json(made)


def test_a_part_of_a_model_is_none():
    with pm.Model(), pm.Model(name="part") as part:
        pm.Normal("y", pm.Normal("mu"), observed=Y)
    with pytest.raises(CannotWriteError, match="part of another model"):
        model_to_json(part)


def nodes(written):
    return written["graph"]["nodes"]


def leaf(written):
    return next(node["op"] for node in nodes(written) if node["op"]["kind"] == "leaf")


def hostile():
    """Yield changes to what was written, of which none may be built."""
    evil = "os.system"
    for path in (evil, "builtins.eval", "pytensor.compile.ops.FromFunctionOp", "pymc.Normal",
                 "pytensor.tensor.io.LoadFromDisk", "pytensor.printing.Print", "subprocess.Popen",
                 "pymc.distributions.timeseries.os", "pytensor.tensor.basic.np"):  # fmt: skip
        yield f"op {path}", lambda w, p=path: leaf(w).update(op=p)
    yield "kind", lambda w: nodes(w)[0]["op"].update(kind="pickle")
    yield "no kind", lambda w: nodes(w)[0]["op"].pop("kind")
    yield "props", lambda w: leaf(w).update(props={"msg": 'a"; system("id"); "'})
    yield (
        "dtype",
        lambda w: w["inputs"][0].update(type={"kind": "tensor", "dtype": "O", "shape": []}),
    )
    yield "reference", lambda w: nodes(w)[0]["inputs"].__setitem__(0, ["node", 10**6, 0])
    yield "negative", lambda w: nodes(w)[-1]["inputs"].__setitem__(0, ["node", -1, 0])
    yield "input kind", lambda w: w["inputs"][0].update(kind="file")
    yield "list", lambda w: w.update(graph=[])
    yield "names", lambda w: w.update(free_RVs=["nothing"])
    yield "transform", lambda w: w["transforms"].update(mu={"kind": evil, "with": {}})
    yield "shape", lambda w: nodes(w)[-1].update(types=[{"kind": "tensor", "dtype": "float64",
                                                         "shape": [7, 7, 7]}])  # fmt: skip
    yield "coords", lambda w: w["coords"].update(obs={"range": 10**15})
    yield "label", lambda w: w["coords"].update(school=[{"pickle": "x"}])


@pytest.mark.parametrize(("change"), [c for _, c in hostile()], ids=[n for n, _ in hostile()])
def test_files_from_strangers_build_nothing(change):
    text, arrays = as_text(make("hierarchical"))
    change(text)
    with pytest.raises((ValueError, TypeError, KeyError, IndexError, AttributeError)):
        model_from_json(text, arrays)


def test_every_model_is_a_case():
    assert set(HERE) <= set(MODELS)
