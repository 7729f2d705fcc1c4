"""Models of many small variables, which steps have as one: nothing of it shows."""

import numpy as np
import optax
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from pymc_bnn import guides
from pymc_bnn.guides.stacks import Stacks

N, ROWS = 10, 90
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, N))
Y = X @ RNG.normal(size=N) + 0.3 * RNG.normal(size=ROWS)
QUIET = {"progressbar": False, "random_seed": 3, "batch_size": 30}


def build():
    """Ten slopes by themselves, eight vectors, positive scales, a matrix; pandas would do, too."""
    with pm.Model() as model:
        slopes = [pm.Normal(f"b{j}", 0, 2) for j in range(N)]
        groups = [pm.Normal(f"v{j}", 0, 1, shape=3) for j in range(8)]
        scales = [pm.HalfNormal(f"s{j}", 1) for j in range(9)]
        matrix = pm.Normal("w", 0, 1, shape=(N, 2))
        mu = sum(b * pm.Data(f"x{j}", X[:, j]) for j, b in enumerate(slopes))
        mu += pt.add(*(v.sum() for v in groups)) * 0.01 + (X @ matrix).sum(axis=1) * 0.1
        pm.Normal("y", mu, pt.add(*scales), observed=Y)
    return model


@pytest.fixture(scope="module")
def fitted():
    return bnn.fit(build(), steps=60, **QUIET)


def same(a, b, **tolerance):
    """Compare parameters and the metrics of all steps."""
    assert a.params.keys() == b.params.keys()
    for name, roles in a.params.items():
        for role, value in roles.items():
            assert np.shape(value) == np.shape(b.params[name][role])
            assert np.allclose(value, b.params[name][role], **tolerance), (name, role)
    assert np.allclose(a.history.elbo, b.history.elbo, **tolerance)


EXACT = {"rtol": 0, "atol": 0}


def test_steps_have_three_groups_as_one(fitted):
    groups = fitted.program.stacks.groups
    assert [len(names) for names in groups] == [N + 9, 8]
    [columns] = fitted.problem.terms.tables
    assert set(columns) == {"y", *(f"x{j}" for j in range(N))}
    names = {f"b{j}" for j in range(N)} | {f"v{j}" for j in range(8)} | {f"s{j}" for j in range(9)}
    assert set(fitted.params) == names | {"w"}


def test_the_numbers_are_those_of_variables_apart(fitted, monkeypatch):
    monkeypatch.setattr(Stacks, "of", classmethod(lambda cls, blocks: cls()))
    monkeypatch.setattr("pymc_bnn.model.terms._FEW", 1000)
    apart = bnn.fit(build(), steps=60, **QUIET)
    assert apart.program.stacks.groups == () == apart.problem.terms.tables
    # Of the noise only the order differs.
    together = fitted.elbo(200, random_seed=1)["elbo"]
    assert abs(apart.elbo(200, random_seed=1)["elbo"] - together) < 0.05 * abs(together)


def test_one_step_is_that_of_variables_apart():
    """With no noise to speak of, so that its order does not matter."""
    options = {**QUIET, "steps": 25, "guide": guides.MeanField(init_scale=1e-6)}
    options |= {"learning_rate": 0.05}
    options |= {"scale_learning_rate": 1e-6}
    together = bnn.fit(build(), **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stacks, "of", classmethod(lambda cls, blocks: cls()))
        patch.setattr("pymc_bnn.model.terms._FEW", 1000)
        same(together, bnn.fit(build(), **options), rtol=1e-3, atol=1e-4)


def test_a_loaded_fit_goes_on_as_if_it_had_not_stopped(fitted, tmp_path):
    fitted.save(tmp_path / "fit", data=True)
    loaded = bnn.load(tmp_path / "fit")
    same(loaded, fitted, **EXACT)
    same(loaded.resume(steps=20, progressbar=False), fitted.resume(steps=20, progressbar=False))


def test_a_fit_of_an_older_version_goes_on_with_variables_apart(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Stacks, "of", classmethod(lambda cls, blocks: cls()))
        old = bnn.fit(build(), steps=60, **QUIET)
        old.save(tmp_path / "fit", data=True)
        goes_on = old.resume(steps=20, progressbar=False)
    loaded = bnn.load(tmp_path / "fit")
    assert loaded.program.stacks.groups == ()
    same(loaded.resume(steps=20, progressbar=False), goes_on, rtol=1e-5, atol=1e-6)


def test_a_checkpoint_is_that_of_the_fit(tmp_path):
    whole = bnn.fit(build(), steps=60, chunk_steps=10, **QUIET)
    folder = {"checkpoint": tmp_path / "fit", "checkpoint_every": 10}

    class Break(Exception):
        pass

    class Raise:
        def on_chunk(self, state, info):
            assert set(state.params) == set(whole.params)
            assert state.params["b3"]["loc"].shape == ()
            if info.step >= 30:
                raise Break

    with pytest.raises(Break):
        bnn.fit(build(), steps=60, chunk_steps=10, callbacks=[Raise()], **folder, **QUIET)
    same(bnn.fit(build(), steps=60, chunk_steps=10, **folder, **QUIET), whole, **EXACT)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": optax.adam(0.01)},
        {"guide": {"b*": guides.FullRank(), "s*": guides.Delta()}},
        {"members": 2},
        {"particles": 3},
        {"batch_size": None},
        {"recover": 1},
        {"dtype": "float64"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_options_that_meet_it(options):
    fit = bnn.fit(build(), steps=20, **{**QUIET, **options})
    assert np.isfinite(fit.elbo(3, random_seed=1)["nll"])
    assert np.isfinite(fit.sample(5, random_seed=1).posterior["b4"]).all()


def test_another_model_of_the_same_form_is_not_taken_for_it(fitted):
    """Programs are looked up by what models are made of: the prior's width is part of it."""
    with build() as model:
        pm.Potential("more", -0.5 * (model["b0"] - 3) ** 2 * 1000)
    other = bnn.fit(model, steps=60, **QUIET)
    assert not np.allclose(other.params["b0"]["loc"], fitted.params["b0"]["loc"])
