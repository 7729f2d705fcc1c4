"""What people get wrong at first: each mistake is an error or a warning that says what to do.

A row is a mistake, the class of what it is answered by, and its words. What PyMC refuses by itself,
before this package sees it, is in docs/mistakes.md.
"""

from functools import cache

import numpy as np
import optax
import pandas as pd
import pymc as pm
import pytest
from sklearn.exceptions import NotFittedError

import pymc_bnn as bnn
from pymc_bnn.sklearn import BNNClassifier, BNNRegressor

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
LABELS = np.arange(12) % 3
Y = X[:, 0] + RNG.normal(0, 0.1, 12)
IMAGES = RNG.random((12, 1, 8, 8))
TABLE = pd.DataFrame({"age": X[:, 0], "town": list("abc") * 4})
QUIET = {"steps": 1, "random_seed": 1, "progressbar": False}
ESTIMATOR = {"steps": 1, "random_state": 1}


def outputs(n=1, x=X):
    return bnn.bayesian(bnn.networks.mlp((3, 2, n)), pm.Data("x", x))


def regression(y=Y, law=lambda out: {"mu": out[:, 0], "sigma": 1}, x=X, outs=1):
    with pm.Model() as model:
        parameters = law(outputs(outs, x))
        pm.Normal("y", **parameters, observed=y)
    return model


def classes(y=LABELS, law=lambda out: {"logit_p": out}):
    with pm.Model() as model:
        pm.Categorical("y", **law(outputs(3)), observed=y)
    return model


def softmax(out):
    return pm.math.softmax(out, axis=-1)


def convnet(shape, x):
    with pm.Model():
        network = bnn.networks.convnet(shape, 3, filters=2, kernel_size=3, padding="same")
        return bnn.bayesian(network, x)


def fit(model, **options):
    return bnn.fit(model, **QUIET | options)


@cache
def fitted():
    with pm.Model() as model:
        pm.Normal("y", pm.Data("x", X) @ pm.Normal("w", shape=3), 1, observed=Y)
    return fit(model)


# A PyMC user new to networks ----------------------------------------------------------------------


def no_model():
    bnn.bayesian(bnn.networks.mlp((3, 2, 1)), X)


def fit_without_a_model():
    bnn.fit(steps=1)


def two_networks_of_one_name():
    with pm.Model():
        outputs()
        bnn.bayesian(bnn.networks.mlp((3, 2, 1)), X)


def random_variable_as_scale():
    with pm.Model():
        prior = bnn.priors.Normal(0, pm.HalfNormal("scale", 1))
        bnn.bayesian(bnn.networks.mlp((3, 2, 1)), X, prior)


def text_in_a_table():
    with pm.Model():
        bnn.bayesian(bnn.networks.mlp((2, 2, 1)), TABLE)


def missing_number():
    with pm.Model():
        bnn.bayesian(bnn.networks.mlp((3, 2, 1)), np.where(X.max() == X, np.nan, X))


def output_with_a_column_too_many():
    fit(regression(Y[:, None], lambda out: {"mu": out[:, 0], "sigma": 1}))


def deviation_below_zero():
    fit(regression(law=lambda out: {"mu": out[:, 0], "sigma": out[:, 1]}, outs=2))


def draws_of_pm_sample():
    fit(regression(), draws=1000, chains=4)


def steps_of_pm_fit():
    bnn.fit(regression(), n=30_000)


def advi_by_name():
    fit(regression(), method="fullrank_advi")


def guide_by_name():
    fit(regression(), guide="meanfield")


def fit_as_draws():
    pm.compute_log_likelihood(fitted(), model=fitted().problem.model, progressbar=False)


def total_size_of_what_is_all_there():
    fit(regression(), total_size=12)


# A Keras user new to PyMC -------------------------------------------------------------------------


def data_to_fit():
    bnn.fit(regression(), X, Y)


def options_of_keras():
    fit(regression(), validation_split=0.1)


def one_hot_labels():
    fit(classes(np.eye(3, dtype=int)[LABELS]))


def labels_from_one():
    fit(classes(LABELS + 1))


def labels_in_a_column():
    fit(classes(LABELS[:, None]))


def softmax_in_the_network():
    fit(classes(law=lambda out: {"logit_p": softmax(out)}))


def logits_as_probabilities():
    fit(classes(law=lambda out: {"p": out}))


def relu_behind_a_regression():
    fit(regression(law=lambda out: {"mu": pm.math.maximum(out[:, 0], 0), "sigma": 1}))


def tanh_of_logits():
    fit(classes(law=lambda out: {"logit_p": pm.math.tanh(out)}))


def softmax_as_activation():
    bnn.networks.mlp((3, 2, 3), activation="softmax")


def one_output_for_two_classes():
    with pm.Model() as model:
        pm.Categorical("y", logit_p=outputs(1), observed=LABELS > 0)
    fit(model)


def channels_first():
    convnet((8, 8, 1), IMAGES)


def network_with_channels_first():
    bnn.networks.convnet((3, 32, 32), 10, padding="same", filters=2, dense=None)


def images_without_channels():
    convnet((8, 8, 1), IMAGES[:, 0])


def bytes_as_they_are():
    with pm.Model() as model:
        x = pm.Data("x", (255 * IMAGES).astype("uint8").reshape(12, 64))
        out = bnn.bayesian(bnn.networks.mlp((64, 2, 3)), x)
        pm.Categorical("y", logit_p=out, observed=LABELS)
    fit(model)


def targets_as_they_are():
    fit(regression(1e5 + 1e4 * Y))


def rate_as_text():
    fit(regression(), learning_rate="1e-3")


def optimiser_by_name():
    fit(regression(), optimizer="adam")


def optimiser_that_is_not_called():
    fit(regression(), optimizer=optax.adam)


def steps_and_epochs():
    fit(regression(), epochs=2)


def batch_larger_than_the_data():
    fit(regression(), batch_size=64)


def mean_over_rows():
    fit(regression(), kl_weight=1 / len(X))


def kl_weight_above_one():
    fit(regression(), kl_weight=2.0)


def sizes_one_by_one():
    bnn.networks.mlp(3, 2, 1)


def layers_in_a_list():
    with pm.Model():
        bnn.bayesian([3, 2, 1], X)


# A scikit-learn user ------------------------------------------------------------------------------


def array_to_predict():
    fitted().predict(X)


def other_columns():
    fitted().predict({"x": X[:, :2]})


def one_row():
    fitted().predict({"x": X[0]})


def unknown_name():
    fitted().predict({"X": X})


def predict_as_scikit_learn_does():
    fitted().predict(X=X)


def draws_by_another_name():
    fitted().sample(n_samples=10)


def epochs_of_a_fit_that_goes_on():
    fitted().resume(epochs=3)


def accuracy_of_numbers():
    bnn.uncertainty.evaluate(fitted().predict(draws=2, random_seed=1), Y)


def settings_of_an_mlp():
    BNNRegressor((50,), max_iter=200)


def misspelled_option():
    BNNRegressor(**ESTIMATOR, fit_options={"batchsize": 4}).fit(X, Y)


def a_network_for_a_function():
    BNNRegressor(network=bnn.networks.mlp((3, 2, 2)), **ESTIMATOR).fit(X, Y)


def numbers_as_classes():
    BNNClassifier(**ESTIMATOR).fit(X, Y)


def classes_as_numbers():
    BNNRegressor(**ESTIMATOR).fit(X, np.array(["a", "b", "c"])[LABELS])


def one_hot_classes():
    BNNClassifier(**ESTIMATOR).fit(X, np.eye(3)[LABELS])


def score_before_fit():
    BNNClassifier().score(X, LABELS)


def probabilities_of_a_regression():
    BNNRegressor().predict_proba(X)


def weights_for_other_rows():
    BNNRegressor(**ESTIMATOR).fit(X, Y, sample_weight=np.ones(5))


V, T, W = ValueError, TypeError, UserWarning
MISTAKES = {
    no_model: (T, "`bayesian` must be called inside a model, got no model.*; write `with pm.Model"),
    fit_without_a_model: (T, "`fit` must be called inside a model, .*; write `with pm.Model"),
    two_networks_of_one_name: (V, "'dense1_W', which exists already; pass name="),
    random_variable_as_scale: (T, r"`sigma` must be .* a prior, got scale; .*priors.HalfNormal\("),
    text_in_a_table: (T, "`x` must hold numbers, got column 'town'.*; encode it"),
    missing_number: (V, "`x` must hold finite numbers only, got .*; remove or impute"),
    output_with_a_column_too_many: (V, r"`y` .* shape \(12,\) .*, got \(12, 1\); pass y\[:, 0\]"),
    deviation_below_zero: (V, r"Normal with sigma > 0 .*; pass pm.math.exp\(…\)"),
    draws_of_pm_sample: (T, "`(draws|chains)` must be no argument of fit"),
    steps_of_pm_fit: (T, "`n` must be no argument of fit, got 30000; pass steps="),
    advi_by_name: (T, "`method` must be a Method, got 'fullrank_advi'; pass bnn.VI"),
    guide_by_name: (T, r"`guide` must be a guide.*; pass guides.MeanField\(\)"),
    fit_as_draws: (T, r"`fitted` must be sampled .*; write idata = fitted.sample\(1000\)"),
    total_size_of_what_is_all_there: (V, "`total_size` must come with `data`, .*; leave it out"),
    data_to_fit: (T, "`fit` must get at most 1 .*; data are part of the model: pm.Data"),
    options_of_keras: (T, "`validation_split` must be no argument of fit, .*HeldOut"),
    one_hot_labels: (V, r"`y` .* shape \(12,\) .* got \(12, 3\); .* y.argmax\(axis=-1\)"),
    labels_from_one: (V, "`y` must be labels in 0…2, .* got labels in 1…3; recode"),
    labels_in_a_column: (V, r"`y` .* shape \(12,\) .* got \(12, 1\); pass y\[:, 0\]"),
    softmax_in_the_network: (W, "logits of 'y' are probabilities.* twice, .*; leave it out"),
    logits_as_probabilities: (V, "0 <= p <=1 .* did you mean logit_p"),
    relu_behind_a_regression: (W, "'y' is the relu of layer 'dense2', .*; leave it out"),
    tanh_of_logits: (W, "logits of 'y' are the tanh of layer 'dense2': .*; leave it out"),
    softmax_as_activation: (V, "`activation` must be one of .*, got 'softmax'; choose"),
    one_output_for_two_classes: (V, "0…0, as the network has 1 outputs, .* more outputs"),
    channels_first: (V, r"`x` must have shape \(n, 8, 8, 1\), got .*1, 8, 8\); reshape"),
    network_with_channels_first: (W, r"\(3, 32, 32\) .* pass \(32, 32, 3\), .*np.moveaxis"),
    images_without_channels: (V, r"got shape .* 8, 8\); add the channel axis, as in x\[..., None"),
    bytes_as_they_are: (W, "Far from that: input 'x', columns 0 .*write x = bnn.standardise"),
    targets_as_they_are: (W, r"Far from that: target 'y' .*write unit = bnn.Scale.of\(y\)"),
    rate_as_text: (V, "`learning_rate` must be a finite number above 0, got '1e-3'; pass"),
    optimiser_by_name: (T, r"`optimizer` must be an optax.* got 'adam'; pass optax.adam\(0.01\)"),
    optimiser_that_is_not_called: (T, r"`optimizer` must be an .*; pass optax.adam\(0.01\)"),
    steps_and_epochs: (V, "`steps` must be given, or `epochs`, and not both, .*; pass one"),
    batch_larger_than_the_data: (V, "`batch_size` must be an integer in 1…12, got 64; pass"),
    mean_over_rows: (W, "`kl_weight` is 0.08.*, at most 1/N: .* 1 is Bayes' rule"),
    kl_weight_above_one: (W, "`kl_weight` is 2: the prior counts 2 times, .*1 is Bayes' rule"),
    sizes_one_by_one: (V, r"`sizes` must hold at least .*; pass \(n_in, n_hidden, n_out\)"),
    layers_in_a_list: (T, r"`network` must be a function .*; pass networks.mlp\(…\)"),
    array_to_predict: (T, r"`new_data` must be a dictionary .*; pass some of \['y', 'x'\] by name"),
    other_columns: (V, r"`new_data\['x'\]` must have the shape \(n, 3\), got \(12, 2\); reshape"),
    one_row: (V, r"`new_data\['x'\]` must have the shape \(n, 3\), got \(3,\); reshape"),
    unknown_name: (V, r"`new_data` must name data .* got \['X'\]; choose .* as pm.Data"),
    predict_as_scikit_learn_does: (T, "`X` must be no argument of predict, .*; pass new_data="),
    draws_by_another_name: (T, "`n_samples` must be no argument of sample, got 10; pass draws="),
    epochs_of_a_fit_that_goes_on: (T, "`epochs` must be no argument of resume, got 3; pass steps="),
    accuracy_of_numbers: (T, "`pred` must predict classes, .*; for values there is evaluate_val"),
    settings_of_an_mlp: (T, "`max_iter` must be no argument of BNNRegressor, .*; pass steps="),
    misspelled_option: (T, "`batchsize` must be no argument of fit, .* did you mean batch_size="),
    a_network_for_a_function: (T, "`network` must be a function from .*; pass lambda n, k: bnn"),
    numbers_as_classes: (V, "Unknown label type: continuous. .* regression target"),
    classes_as_numbers: (V, "`y` must hold numbers, got 'a'; labels are for BNNClassifier"),
    one_hot_classes: (V, r"y should be a 1d array, got an array of shape \(12, 3\) instead"),
    score_before_fit: (NotFittedError, "not fitted yet. Call 'fit' with"),
    probabilities_of_a_regression: (AttributeError, r"'predict_proba'; predict\(X, return_std"),
    weights_for_other_rows: (V, r"sample_weight.shape == \(5,\), expected \(12,\)"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_mistakes_are_answered(mistake):
    kind, words = MISTAKES[mistake]
    with pytest.raises(kind, match=words):  # warnings are errors here, before anything is compiled
        mistake()
