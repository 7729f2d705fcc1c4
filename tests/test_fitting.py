"""`fit` refuses what it cannot do, and takes any layers, dtype and optimiser."""

import jax.numpy as jnp
import numpy as np
import optax
import pymc as pm
import pytensor.tensor as pt
import pytest

import pymc_bnn as bnn
from pymc_bnn.callbacks import EarlyStopping
from tests.support.conjugate import POSTERIOR_MEAN, QUIET, SIGMA, N, X, Y, conjugate


def test_same_seed_same_numbers_and_generators_too():
    def run(seed):
        return bnn.fit(
            conjugate(), steps=50, batch_size=50, random_seed=seed, progressbar=False
        ).params["w"]["loc"]

    assert (run(5) == run(5)).all()
    assert (run(np.random.default_rng(5)) == run(np.random.default_rng(5))).all()
    assert (run(5) != run(6)).any()


def test_user_never_sets_floatx_and_may_ask_for_float64():
    assert bnn.fit(conjugate(), steps=5, **QUIET).params["w"]["loc"].dtype == np.float32
    fitted = bnn.fit(conjugate(), steps=5, dtype="float64", **QUIET)
    assert fitted.params["w"]["loc"].dtype == np.float64


def test_custom_optimizer():
    fitted = bnn.fit(conjugate(), steps=2000, optimizer=optax.sgd(0.05), **QUIET)
    np.testing.assert_allclose(fitted.mean["w"], POSTERIOR_MEAN, atol=0.05)


BAD_ARGUMENTS = [
    ({"steps": 5, "epochs": 5}, "`steps` must be given"),
    ({"steps": -1}, "`steps` must be an integer of at least 1, got -1"),
    ({"steps": 2.5}, "`steps` must be an integer"),
    ({"steps": 5, "batch_size": 0}, "`batch_size` must be an integer in 1…200, got 0"),
    ({"steps": 5, "batch_size": 201}, "`batch_size` must be an integer in 1…200, got 201"),
    ({"steps": 5, "batch_size": "all"}, '`batch_size` must be an integer, "auto" or None'),
    ({"steps": 5, "kl_weight": 0.0}, "`kl_weight` must be a finite number above 0"),
    ({"steps": 5, "learning_rate": float("nan")}, "`learning_rate` must be a finite number"),
    ({"steps": 5, "dtype": "float16"}, "`dtype` must be"),
    ({"steps": 5, "random_seed": "one"}, "`random_seed` must be an integer"),
    ({"steps": 5, "optimizer": optax.adam(0.1), "learning_rate": 0.1}, "`optimizer` must come"),
    ({"steps": 5, "optimizer": "adam"}, "`optimizer` must be an optax.GradientTransformation"),
    ({"steps": 5, "rows": 3}, "`rows` must be a name or names"),
    ({"steps": 5, "rows": "nonsense", "batch_size": None}, "`rows` must name a dimension"),
    ({"steps": 5, "callbacks": [print]}, "`callbacks` must have a method on_chunk"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_bad_arguments(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        bnn.fit(conjugate(), progressbar=False, **arguments)


def test_labels_outside_the_classes():
    with pm.Model() as model:
        w = pm.Normal("w", shape=(3, 4))
        pm.Categorical("label", logit_p=pm.Data("x", X) @ w, observed=np.arange(N) % 5)
    with pytest.raises(ValueError, match=r"`label` must be labels in 0…3.*got labels in 0…4"):
        bnn.fit(model, steps=5, progressbar=False)


def test_x_and_y_of_different_length():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:150]) @ pm.Normal("w", shape=3), 1, observed=Y)
    with pytest.raises(ValueError, match=r"150.*200|200.*150"):
        bnn.fit(model, steps=5, batch_size=50, progressbar=False)
    with pytest.raises(ValueError, match=r"150.*200|200.*150"):
        bnn.fit(model, steps=5, batch_size=None, progressbar=False)


def test_computed_reshapes_name_the_repair():
    with pm.Model() as model:
        x = pm.Data("x", np.ones((N, 2, 2)))
        logits = x.reshape((-1, 4)) @ pm.Normal("w", shape=(4, 4))
        pm.Categorical("y", logit_p=logits, observed=np.arange(N) % 4)
    with pytest.raises(NotImplementedError, match=r"write x\.reshape\(\(x\.shape\[0\], k\)\)"):
        bnn.fit(model, steps=5, batch_size=50, **QUIET)


@pytest.mark.parametrize(
    "kind", ["conv1d", pytest.param("attention", marks=pytest.mark.long), "hand-written", "array"]
)
def test_networks_of_other_layers_learn_in_minibatches(kind):
    from pytensor_ml import layers
    from pytensor_ml.params import trainable

    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    series = rng.normal(size=(120, 6, 3)) + labels[:, None, None] - 0.5
    head = layers.Linear("head", n_in=4, n_out=2)
    if kind == "conv1d":
        conv = layers.Conv1D("conv", in_channels=3, out_channels=4, kernel_size=3)
        norm = layers.LayerNorm("norm", n_in=4)

        def network(x):
            return head(pt.tanh(norm(conv(x))).mean(axis=1))
    elif kind == "attention":
        embed = layers.Linear("embed", n_in=3, n_out=4)
        attention = layers.MultiheadAttention("attention", n_embd=4, n_head=2)

        def network(x):
            return head(attention(embed(x)).mean(axis=1))
    else:
        w = trainable(np.zeros((3, 2)), "w")

        def network(x):
            return x.mean(axis=1) @ w

    with pm.Model() as model:
        x = series if kind == "array" else pm.Data("x", series)
        logits = bnn.bayesian(network, x)
        pm.Categorical("y", logit_p=logits, observed=labels, shape=logits.shape[0])
    fitted = bnn.fit(model, steps=500, batch_size=40, learning_rate=0.03, **QUIET)
    pred = fitted.predict({"x": series}, draws=50, random_seed=1)
    assert (pred.mean_probs.argmax(axis=1) == labels).mean() > 0.85


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"particles": 0}, ValueError, "`particles` must be an integer of at least 1, got 0"),
        ({"particles": None}, TypeError, "`particles` must be an integer"),
        ({"kl_weight": True}, ValueError, "`kl_weight` must be a finite number above 0, got True"),
        (
            {"kl_weight": lambda step: jnp.where(step == 5, -3.0, 1.0)},
            ValueError,
            "`kl_weight` must map steps .*got -3.0 at step 5",
        ),
        ({"kl_weight": lambda step: 0.0 * step}, ValueError, "`kl_weight` .*got 0.0 at step 299"),
        (
            {"kl_weight": lambda step: 1.0 if step > 3 else 0.5},
            ValueError,
            "`kl_weight` must map steps .*write it with jax.numpy",
        ),
        ({"callbacks": [EarlyStopping]}, TypeError, "`callbacks` .*pass an instance"),
        ({"start": 3.0}, TypeError, "`start` must be a dict of values"),
        ({"start": {"w": "a"}}, TypeError, r"`start\['w'\]` must hold numbers"),
        ({"start": {"w": np.zeros(4)}}, ValueError, r"shape \(3,\), got \(4,\)"),
        ({"guide": {"w": bnn.guides.Delta}}, TypeError, r"create one, as in Delta\(\)"),
        ({"guide": {"v*": bnn.guides.Delta()}}, ValueError, "`guide` .*match a free variable, w"),
        ({"estimator": "best"}, ValueError, "`estimator` must be one of"),
    ],
)
def test_bad_choices_get_one_clear_error(arguments, error, message):
    with pytest.raises(error, match=message):
        bnn.fit(conjugate(), steps=300, **QUIET, **arguments)


def test_a_fit_of_another_model_is_no_start():
    with pm.Model() as other:
        pm.Normal("z", pm.Normal("m"), 1, observed=np.zeros(5))
    fitted = bnn.fit(other, steps=2, **QUIET)
    with pytest.raises(ValueError, match="`start` must be a fit that shares free variables"):
        bnn.fit(conjugate(), steps=2, start=fitted, **QUIET)


def test_empty_data_are_refused():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X[:0]) @ pm.Normal("w", shape=3), 1, observed=Y[:0])
    with pytest.raises(ValueError, match=r"at least one observed value, got 'y' of shape \(0,\)"):
        bnn.fit(model, steps=2, **QUIET)


def test_dropout_is_random_in_training_and_kept_in_predictions_only_if_asked():
    network = bnn.networks.mlp((3, 20, 1), activation="tanh", dropout=0.5)
    with pm.Model() as model:
        out = bnn.bayesian(network, pm.Data("x", X))
        pm.Normal("y", out[:, 0], SIGMA, observed=Y)
    fitted = bnn.fit(model, epochs=20, batch_size=50, **QUIET)
    assert "objective" in fitted.history
    assert "not its ELBO" in fitted.history.attrs["note"]
    assert "elbo" in fitted.elbo(2)  # the model's own, without dropout
    points = bnn.fit(model, epochs=5, batch_size=50, guide=bnn.guides.Delta(), **QUIET)
    fixed = points.predict({"x": X[:9]}, draws=8, random_seed=0, var_names=())["y"]
    assert fixed.samples.shape == (8, 9)
    with pm.Model() as logistic:
        out = bnn.bayesian(network, pm.Data("x", X))
        pm.Bernoulli("y", logit_p=out[:, 0], observed=(Y > 0).astype(int))
    points = bnn.fit(logistic, epochs=5, batch_size=50, guide=bnn.guides.Delta(), **QUIET)
    still = points.predict({"x": X}, draws=8, random_seed=0).probs
    np.testing.assert_allclose(still.std(axis=0), 0, atol=1e-6)
    moving = points.predict({"x": X}, draws=8, mc_dropout=True, random_seed=0).probs
    assert moving.std(axis=0).mean() > 0.01
    again = points.predict({"x": X}, draws=8, mc_dropout=True, batch_size=33, random_seed=0).probs
    np.testing.assert_allclose(again, moving, atol=1e-5)
    with pytest.raises(ValueError, match="`mc_dropout` must be False"):
        bnn.fit(conjugate(), steps=2, **QUIET).predict(mc_dropout=True)
