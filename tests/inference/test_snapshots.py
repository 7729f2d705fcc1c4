"""Checkpoints whose checksums are right and whose contents are not: one error, never a crash."""

import copy
import json

import numpy as np
import pytest

from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.plan import Plan
from pymc_bnn.inference.position import Position
from pymc_bnn.inference.prepare import DataOptions, prepare
from pymc_bnn.inference.snapshots import Snapshot
from pymc_bnn.inference.state import on_host
from pymc_bnn.inference.vi import VI
from pymc_bnn.runtime.precision import precision
from tests.support.checkpoint_parts import regression

JUNK = (None, "x", -7, 1.5, [], {}, [[]], {"": "array", "of": "none"}, True, 10**30)


@pytest.fixture(scope="module")
def first():
    problem, source = prepare(regression(), DataOptions(batch_size=50))
    plan = Plan(source.batches, steps=30)
    with precision("float32"):
        program = VI().compile(problem, plan)
        state = program.init(0)
        loop = Loop(program, source, state)
        state, metrics, _ = loop.advance(loop.keep(state), 5)
    position = Position.first(loop, state, plan)
    kept = (("EarlyStopping", {"best": (1.0, 2.0), "pending": np.zeros(2)}),)
    return Position(loop, state, position.ends, (metrics,), 5, 2, 1.5, kept), plan


def read(snapshot, path, first, plan):
    snapshot.write(path)
    with precision("float32"):
        return Snapshot.read(path).position(first, plan, path)


def test_a_position_comes_back(first, tmp_path):
    begin, plan = first
    found = read(Snapshot.of(begin, {"number": 3}), tmp_path / "one", begin, plan)
    assert (found.done, found.in_chunk, found.elapsed_s) == (5, 2, 1.5)
    assert found.callbacks[0][1]["best"] == (1.0, 2.0)
    assert found.ends.memory() == begin.ends.memory()
    before, after = (on_host(position.state) for position in (begin, found))
    np.testing.assert_equal(after.params, before.params)
    assert after.key.tolist() == before.key.tolist()


def paths(value, way=()):
    yield way
    parts = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else parts:
        yield from paths(inner, (*way, key))


def changed(plain, way, junk):
    plain = copy.deepcopy(plain)
    if not way:
        return junk
    inner = plain
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = junk
    return plain


def test_whatever_its_text_says(first, tmp_path):
    begin, plan = first
    whole = Snapshot.of(begin, {"number": 3})
    plain = json.loads(json.dumps(whole.plain))
    rng, refused = np.random.default_rng(0), 0
    ways = list(paths(plain))
    for i, way in enumerate(ways):
        for j in rng.choice(len(JUNK), 1):
            other = Snapshot(changed(plain, way, JUNK[j]), whole.arrays)
            try:
                found = read(other, tmp_path / f"{i}-{j}", begin, plan)
            except ValueError as error:
                refused += "`checkpoint`" in str(error)
            else:
                assert isinstance(found, Position)
    assert refused > len(ways) / 2


def test_whatever_its_arrays_are(first, tmp_path):
    begin, plan = first
    whole = Snapshot.of(begin)
    for i, name in enumerate(whole.arrays):
        for j, junk in enumerate((None, np.zeros(0), np.zeros((2, 2), "int8"))):
            arrays = {k: v for k, v in whole.arrays.items() if k != name}
            if junk is not None:
                arrays[name] = junk
            if "callbacks" in name and junk is not None:
                continue  # theirs to look at
            with pytest.raises(ValueError, match="`checkpoint` must"):
                read(Snapshot(whole.plain, arrays), tmp_path / f"{i}-{j}", begin, plan)
