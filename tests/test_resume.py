"""More steps of a fit that has ended: those of one longer fit, with the optimiser as it was."""

import cloudpickle
import jax.numpy as jnp
import optax
import pytest

import pymc_bnn as bnn
from pymc_bnn.inference.method import Method
from tests.support.checkpoint_parts import (
    QUIET,
    Batches,
    Kill,
    Killed,
    N,
    Stateful,
    assert_same,
    counts,
    regression,
)

OPTIONS = {"optimizer": optax.adam(0.01, b1=0.8), **QUIET}
KINDS = {
    "batches of rows": {"batch_size": 50},
    "a full covariance": {"guide": bnn.guides.FullRank(), "dtype": "float64"},
    "a schedule": {"kl_weight": optax.linear_schedule(0.1, 1.0, 25)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_parts_are_one_fit(kind):
    whole = bnn.fit(regression(), steps=40, **OPTIONS, **KINDS[kind])
    part = bnn.fit(regression(), steps=15, **OPTIONS, **KINDS[kind])
    copy = cloudpickle.loads(cloudpickle.dumps(part))
    assert_same(copy.resume(10, progressbar=False).resume(15, progressbar=False), whole)
    assert part.record.steps == 15


def test_each_member_goes_on():
    whole = bnn.fit(regression(), steps=30, members=2, **OPTIONS)
    found = bnn.fit(regression(), steps=10, members=2, **OPTIONS).resume(20, progressbar=False)
    assert_same(found, whole)
    assert found.weights == whole.weights
    assert len(found.history) == 60


def test_batches_from_outside_are_passed_again():
    options = {"total_size": N, **OPTIONS}
    whole = bnn.fit(regression(), data=Batches(30), steps=20, **options)
    part = bnn.fit(regression(), data=Batches(30), steps=8, **options)  # two passes
    assert_same(part.resume(12, data=Batches(30), progressbar=False), whole)
    with pytest.raises(ValueError, match="`data` must be given where the fit was of batches"):
        part.resume(10)
    with pytest.raises(ValueError, match="`data` must be given where the fit was of batches"):
        bnn.fit(regression(), steps=2, **QUIET).resume(10, data=Batches(30))
    with pytest.raises(TypeError, match=r"`steps` must be an integer of at least 1, got 1\.5"):
        part.resume(1.5)


def test_rates_of_the_default_optimiser_stay_where_they_fell():
    fitted = bnn.fit(regression(), steps=600, **QUIET)
    further = fitted.resume(50, progressbar=False)
    step = max(abs(further.params[n]["loc"] - fitted.params[n]["loc"]).max() for n in fitted.params)
    assert 0 < step < 50 * 1.1e-4
    began = [0, 600]
    assert list(further.history.index[began]) == [1, 601]


def test_what_callbacks_see_goes_on_too():
    class Look:
        def on_chunk(self, state, info):
            self.seen = info.step, info.steps, info.approximation().record.steps
            return info.step == 25

    look = Look()
    fitted = bnn.fit(regression(), steps=20, **QUIET)
    found = fitted.resume(100, callbacks=[look], chunk_steps=5, progressbar=False)
    assert look.seen == (25, 120, 25)
    assert found.record.steps == 25


MORE = {
    "batches of rows": ({"batch_size": 50}, None),
    "members": ({"members": 2, "guide": bnn.guides.FullRank()}, None),
    "batches from outside": ({"total_size": N}, Batches),
    "a loader with a state": ({"total_size": N}, Stateful),
}


@pytest.mark.parametrize("kind", MORE)
def test_the_same_line_goes_on_after_it_was_killed(kind, tmp_path):
    """Killed twice, the fit itself loaded from a folder: the numbers of one that was not."""
    options, batches = MORE[kind]
    options = options if batches is None else {**options, "data": batches(30)}
    part = bnn.fit(regression(), steps=17, **QUIET, **options)
    part.save(tmp_path / "fit", data=batches is None)

    def resume(found, **own):
        data = None if batches is None else batches(30)
        return found.resume(40, data=data, progressbar=False, **own)

    def line(step):
        loaded = bnn.load(tmp_path / "fit", regression() if batches else None)
        folder = {"checkpoint": tmp_path / "more", "checkpoint_every": 4}
        return resume(loaded, callbacks=[Kill(step)] if step else [], **folder)

    expected = resume(part)
    for step in (23, 42):
        with pytest.raises(Killed):
            line(step)
    kept = sorted(path.name for path in (tmp_path / "more").glob("resume-1/0*"))
    assert len(kept) == 2
    assert_same(line(None), expected)
    assert_same(line(None), expected)  # it has ended, and is returned at once
    assert not list((tmp_path / "more").glob("resume-*/0*"))


def test_another_call_is_refused(tmp_path):
    part = bnn.fit(regression(), steps=9, **OPTIONS)
    other = bnn.fit(regression(), steps=7, **OPTIONS)
    part.resume(5, checkpoint=tmp_path, progressbar=False)
    for found, steps, what in (
        (part, 6, "steps is 5 there and 6 here"),
        (other, 5, "the fit is at step 9 there and at step 7 here"),
        (part.resume(1, progressbar=False), 5, "at step 10 here"),
    ):
        with pytest.raises(ValueError, match=f"`checkpoint` must be of the same .*{what}"):
            found.resume(steps, checkpoint=tmp_path, progressbar=False)
    with pytest.raises(ValueError, match=r"`checkpoint` must be of the same .*the fit is"):
        bnn.fit(regression(), steps=9, checkpoint=tmp_path, **OPTIONS)
    with pytest.raises(ValueError, match="`checkpoint_every` must be a number of steps"):
        part.resume(5, checkpoint=tmp_path, checkpoint_every="soon", progressbar=False)
    with pytest.raises(ValueError, match="`data` must be an iterable that can be gone over again"):
        bnn.fit(regression(), data=Batches(30), steps=4, total_size=N, **OPTIONS).resume(
            5, data=iter(Batches(30)), checkpoint=tmp_path / "new", progressbar=False
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:step .* was not finite")
@pytest.mark.long
def test_recoveries_of_before_and_after_a_kill_add_up(tmp_path, monkeypatch):
    monkeypatch.setattr("pymc_bnn.inference.rescues.EVERY", 25)
    optimizer = optax.sgd(lambda step: jnp.where(step < 37, 5e-4, 1e-2))
    part = bnn.fit(counts(), steps=37, optimizer=optimizer, recover=9, **QUIET)
    more = {"recover": 9, "progressbar": False}
    expected = part.resume(20, **more)
    rates = [recovery.rate for recovery in expected.record.recoveries]
    assert rates == [0.5, 0.25, 0.125]
    assert {r.back_to for r in expected.record.recoveries[1:]} == {37}
    for step in (40, 49):
        with pytest.raises(Killed):
            part.resume(20, checkpoint=tmp_path, checkpoint_every=1, callbacks=[Kill(step)], **more)
    assert_same(part.resume(20, checkpoint=tmp_path, **more), expected)


def test_methods_without_rates_cannot_recover():
    class Fixed(bnn.VI):
        def compile(self, *args, **options):
            program = super().compile(*args, **options)
            return Other(**vars(program))

    from pymc_bnn.inference.program import Program
    from pymc_bnn.inference.vi_program import VIProgram

    class Other(VIProgram):
        slower = Program.slower

    assert isinstance(Fixed(), Method)
    with pytest.raises(ValueError, match="`recover` must be 0 for this method, got Fixed"):
        bnn.fit(regression(), steps=2, method=Fixed(), recover=1, **QUIET)
