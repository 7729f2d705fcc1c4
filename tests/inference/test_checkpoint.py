"""A fit that was stopped goes on from its checkpoint to the numbers of one that was not."""

import re
import resource
import shutil
from datetime import timedelta
from functools import cache, partial

import numpy as np
import optax
import pytest

import pymc_bnn as bnn
from pymc_bnn.callbacks import EarlyStopping, HeldOut, Snapshots
from pymc_bnn.inference.convergence import Convergence
from pymc_bnn.inference.loop import Loop
from pymc_bnn.inference.tempering import walk
from tests.support.checkpoint_parts import (
    QUIET,
    Batches,
    Kill,
    Killed,
    N,
    Stateful,
    X,
    Y,
    assert_same,
    convolutional,
    counts,
    regression,
)

KINDS = {
    "dense": (regression, {"batch_size": 50}),
    "optimiser": (
        regression,
        {"optimizer": optax.inject_hyperparams(optax.adam)(0.01), "dtype": "float64"},
    ),
    "convolutions": (convolutional, {"batch_size": 16}),
    "members": (regression, {"members": 3, "guide": bnn.guides.Delta()}),
    "batches": (regression, {"data": Batches, "total_size": N}),
}


def fit(kind, folder=None, steps=60, **options):
    make, own = KINDS[kind]
    own = {k: v() if isinstance(v, type) else v for k, v in own.items()}
    return bnn.fit(make(), **{"steps": steps, "checkpoint": folder, **own, **QUIET, **options})


@cache
def whole(kind):
    return fit(kind)


def killed(kind, folder, step, every=10, **options):
    with pytest.raises(Killed):
        fit(kind, folder, checkpoint_every=every, callbacks=[Kill(step)], **options)


# Bit by bit --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.long) if k == "convolutions" else k for k in KINDS],
)
def test_a_resume_of_a_resume_has_the_numbers_of_one_fit(kind, tmp_path):
    rng = np.random.default_rng(len(kind))
    first, second = np.sort(rng.choice(np.arange(1, 60), 2, replace=False)).tolist()
    killed(kind, tmp_path, first, every=int(rng.integers(1, 20)))
    killed(kind, tmp_path, second, every=int(rng.integers(1, 20)), chunk_steps=3)
    assert_same(fit(kind, tmp_path, chunk_steps=7), whole(kind))


@pytest.mark.filterwarnings("ignore:the ELBO")  # they are far too short
@pytest.mark.parametrize(
    "guide", [None, pytest.param(bnn.guides.FullRank(), marks=pytest.mark.long)]
)
def test_fits_that_end_where_they_have_converged(guide, tmp_path, monkeypatch):
    short = Convergence(warmup=50, first=100, most=200)
    monkeypatch.setattr("pymc_bnn.inference.plan.Convergence", lambda: short)
    options = {"guide": guide, **QUIET}
    expected = bnn.fit(regression(), **options)
    steps = expected.record.steps
    for step in (20, 151, steps // 2, steps - 1):
        with pytest.raises(Killed):
            bnn.fit(
                regression(), **options, checkpoint=tmp_path, checkpoint_every=40,
                callbacks=[Kill(step)],
            )  # fmt: skip
    assert_same(bnn.fit(regression(), **options, checkpoint=tmp_path), expected)


def test_a_stream_goes_on_by_its_own_state(tmp_path, monkeypatch):
    monkeypatch.setattr("pymc_bnn.data.prefetcher._NOTE_S", 0.0)
    options = {"total_size": N, "steps": 33, **QUIET}
    expected = bnn.fit(regression(), data=Stateful(), **options)
    options |= {"checkpoint": tmp_path, "checkpoint_every": 4}
    for step in (9, 22):
        with pytest.raises(Killed):
            bnn.fit(regression(), data=Stateful(), callbacks=[Kill(step)], **options)
    loader = Stateful()
    assert_same(bnn.fit(regression(), data=loader, **options), expected)
    assert [state["passes"] for state in loader.loaded] == [3]  # it skipped what came before


@pytest.mark.parametrize("large", [False, True])
def test_a_recovery_is_part_of_it(large, tmp_path, monkeypatch):
    monkeypatch.setattr("pymc_bnn.inference.rescues.EVERY", 25)

    options = {"steps": 70, "recover": 6, "learning_rate": 3.0, **QUIET}

    def hot(**more):
        with pytest.warns(UserWarning, match=r"step \d+ was not finite: .* went back to step 0"):
            return bnn.fit(counts(), **options, **more)

    expected = hot()
    if large:  # from here on copies of states have the memory of the copy before
        monkeypatch.setattr("pymc_bnn.inference.loop._PAGED", -1)
        assert_same(hot(), expected)
    assert np.isfinite(expected.history["elbo"]).all()
    last = expected.record.recoveries[-1]
    assert set(expected.history["rate"].iloc[last.back_to :]) == {last.rate}
    options |= {"checkpoint": tmp_path}
    with pytest.raises(Killed):
        hot(checkpoint_every=10, callbacks=[Kill(65)])
    assert_same(bnn.fit(counts(), **options), expected)


def test_callbacks_go_on(tmp_path):
    def callbacks():
        held_out = HeldOut({"x": X[:9], "y": Y[:9]}, draws=3)
        snapshots = Snapshots([4, 50], {"x": X[:5]}, draws=2, var_names="w")
        return [EarlyStopping(window=20, patience=3, min_delta=30), held_out, snapshots]

    expected = callbacks()
    one = fit("dense", callbacks=expected, steps=400, learning_rate=1e-6)
    assert 60 < one.record.steps < 400
    options = {"steps": 400, "learning_rate": 1e-6, "checkpoint": tmp_path, "checkpoint_every": 7}
    with pytest.raises(Killed):
        fit("dense", callbacks=[Kill(55), *callbacks()], **options)
    found = callbacks()
    assert_same(fit("dense", callbacks=found, **options), one)
    assert found[1].history.equals(expected[1].history)
    for step, moments in expected[2].moments.items():
        np.testing.assert_array_equal(found[2].moments[step]["w"], moments["w"])
        a, b = (f[2].predictions[step]["y"] for f in (found, expected))
        np.testing.assert_array_equal(a.samples, b.samples)


@pytest.mark.filterwarnings("ignore:the ELBO rose")
def test_the_weight_of_the_kl_is_not_looked_for_again(tmp_path, monkeypatch):
    few = partial(walk, weights=(1.0, 0.3))
    monkeypatch.setattr("pymc_bnn.choose_kl_weight.walk", few)
    options = {"kl_weight": "auto", "steps": 60, "random_seed": 3, "progressbar": False}
    expected = bnn.fit(regression(), **options)
    options |= {"checkpoint": tmp_path, "checkpoint_every": 30}
    with pytest.raises(Killed):
        bnn.fit(regression(), callbacks=[Kill(50)], **options)
    tried = [f"kl_weight={weight:g}-1" for weight in expected.kl_path.index]
    assert {path.name for path in tmp_path.iterdir()} == {*tried, "fit-1", "about", "lock"}
    assert all((tmp_path / name / "finished").is_dir() for name in tried)
    found = bnn.fit(regression(), **options)
    assert_same(found, expected)
    assert found.kl_path.equals(expected.kl_path)


# What is kept ------------------------------------------------------------------------------------


def test_what_has_ended_is_returned_at_once(tmp_path, monkeypatch):
    killed("members", tmp_path, 10)
    expected = fit("members", tmp_path)
    monkeypatch.setattr(Loop, "__init__", None)  # nothing is traced
    found = fit("members", tmp_path)
    assert_same(found, expected)
    assert_same(found, whole("members"))
    assert {path.name for path in (tmp_path / "fit-2").iterdir()} == {"finished"}


def test_without_a_seed_the_first_calls_is_taken(tmp_path):
    options = {"steps": 40, "checkpoint": tmp_path, "progressbar": False}
    with pytest.raises(Killed):
        bnn.fit(regression(), callbacks=[Kill(30)], checkpoint_every=10, **options)
    one = bnn.fit(regression(), **options)
    assert_same(bnn.fit(regression(), random_seed=np.random.default_rng(), **options), one)


def test_a_damaged_position_is_passed_over_and_two_are_refused(tmp_path):
    killed("dense", tmp_path, 35)
    other = shutil.copytree(tmp_path, tmp_path.with_name("other"))
    newer = sorted((tmp_path / "fit-1").iterdir())[-1]
    with (newer / "arrays.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    with pytest.warns(
        UserWarning, match="'arrays.safetensors' was changed.* the checkpoint before"
    ):
        assert_same(fit("dense", tmp_path), whole("dense"))
    for path in (other / "fit-1").iterdir():
        (path / "checkpoint.json").write_text("{}")
    with (
        pytest.warns(UserWarning, match="the checkpoint before"),
        pytest.raises(ValueError, match="`checkpoint` must be a folder as it was saved"),
    ):
        fit("dense", other)


def test_a_full_disk_is_reported_once_and_the_fit_goes_on(tmp_path):
    class Full:
        """No file may grow beyond a few bytes between two steps."""

        at_steps = frozenset((15, 45))

        def on_chunk(self, state, info):
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            soft = 100 if info.step == 15 else limits[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, limits[1]))
            self.names = sorted(path.name for path in (tmp_path / "fit-1").iterdir())

    full = Full()
    try:
        with pytest.warns(RuntimeWarning, match="could not be written.*; step 10 is kept. The fit"):
            found = fit("dense", tmp_path, checkpoint_every=10, callbacks=[full])
    finally:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1], limits[1]))
    assert full.names == ["000000001"]  # at step 45
    assert_same(found, whole("dense"))
    assert_same(fit("dense", tmp_path), whole("dense"))


def test_positions_are_kept_by_time_while_steps_go_on(tmp_path):
    class Look:
        seen = ()

        def on_chunk(self, state, info):
            names = [path.name for path in tmp_path.glob("fit-1/0*")]
            self.seen = (*self.seen, *names)
            return len(set(self.seen)) > 3

    look = Look()
    steps = 10**7
    bnn.fit(
        regression(), steps=steps, checkpoint=tmp_path, checkpoint_every="20ms", callbacks=[look],
        chunk_steps=50, **QUIET,
    )  # fmt: skip
    assert len(set(look.seen)) > 3


# What is refused ---------------------------------------------------------------------------------

OTHERS = {
    "steps is 60 there and 70 here": {"steps": 70},
    "random_seed is 3 there and 4 here": {"random_seed": 4},
    "'w' has another definition": {"model": lambda: regression(sigma=1.4)},
    "'x' has other numbers": {"model": lambda: regression(X + 1e-6)},
    r"'x' is float64 \(120, 3\) there and float64 \(119, 3\) here": {
        "model": lambda: regression(X[1:], Y[1:])
    },
    "guide is None there and Delta": {"guide": bnn.guides.Delta()},
    "kl_weight is 1.0 there and 0.5 here; learning_rate is None there and 0.5 here": {
        "learning_rate": 0.5,
        "kl_weight": 0.5,
    },
    "batch_size is 50 there and None here": {"batch_size": None},
    "dtype is 'float32' there and 'float64' here": {"dtype": "float64"},
    r"start is \[None\] there and \[\{'w': float64 \(3,\)": {"start": {"w": np.ones(3)}},
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    killed("dense", folder, 25)
    return folder


@pytest.mark.parametrize("says", OTHERS)
def test_another_fit_is_refused_and_what_differs_is_said(says, begun):
    options = dict(OTHERS[says])
    model = options.pop("model", regression)()
    before = {"steps": 60, "batch_size": 50, "checkpoint": begun, **QUIET}
    rule = "`checkpoint` must be of the same model, data and options, got .*"
    with pytest.raises(ValueError, match=rule + says):
        bnn.fit(model, **{**before, **options})
    assert len(list((begun / "fit-1").iterdir())) == 2


def test_a_folder_of_something_else_or_in_use(tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(ValueError, match=r"`checkpoint` must be an empty folder .*'letter.txt'"):
        fit("dense", tmp_path)
    (tmp_path / "letter.txt").unlink()

    class Again:
        at_steps = frozenset([5])

        def on_chunk(self, state, info):
            fit("dense", tmp_path)

    with pytest.raises(ValueError, match="`checkpoint` must be in use by one process"):
        fit("dense", tmp_path, callbacks=[Again()])
    with pytest.raises(ValueError, match="`checkpoint` must be a folder that can be written to"):
        fit("dense", tmp_path / "lock")


@pytest.mark.parametrize("every", ["soon", "60", "-1min", 0, "0s"])
def test_bad_intervals(every, tmp_path):
    says = re.escape("`checkpoint_every` must be ")
    with pytest.raises(ValueError, match=says):
        bnn.fit(regression(), checkpoint=tmp_path, checkpoint_every=every)
    assert not list(tmp_path.iterdir())


def test_bad_types(tmp_path):
    with pytest.raises(TypeError, match=r'a time such as "10min", got 60\.0; pass 500 or "30s"'):
        bnn.fit(regression(), checkpoint=tmp_path, checkpoint_every=60.0)
    with pytest.raises(TypeError, match="`checkpoint` must be the path of a folder, got 3"):
        bnn.fit(regression(), checkpoint=3)
    with pytest.raises(ValueError, match="`recover` must be an integer of at least 0"):
        bnn.fit(regression(), recover=-1)
    with pytest.raises(ValueError, match="`data` must be an iterable that can be gone over again"):
        bnn.fit(regression(), data=iter(Batches()), total_size=N, checkpoint=tmp_path)
    bnn.fit(
        regression(), steps=2, checkpoint=tmp_path, checkpoint_every=timedelta(hours=1), **QUIET
    )


def test_states_that_hold_objects_are_refused_before_the_first_step(tmp_path):
    class Odd(Kill):
        def state_dict(self):
            return {"model": object()}

        def load_state_dict(self, state): ...

    with pytest.raises(TypeError, match=r"`callbacks` must have a state of numbers.* got a object"):
        fit("dense", tmp_path, callbacks=[Odd(1)])
