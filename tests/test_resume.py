"""More steps of a fit that has ended: those of one longer fit, with the optimiser as it was."""

import cloudpickle
import optax
import pytest

import pymc_bnn as bnn
from pymc_bnn.inference.method import Method
from tests.support.checkpoint_parts import QUIET, Batches, N, assert_same, regression

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
