"""What the README shows works: its classes from outside the package fit a network."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optax
import pymc as pm
import pytensor.tensor as pt

import pymc_bnn as bnn

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(beginning):
    """The code block of the README that begins with these words."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    [found] = [b for b in blocks if b.startswith(beginning)]
    return found


def small_convnet(prior=None):
    train, _ = bnn.datasets.load_digits(test_size=0.2, random_seed=0)
    train = train.subset(slice(200))
    network = bnn.networks.convnet(
        (8, 8, 1), n_classes=10, filters=(4,), kernel_size=3, dense=8, activation="relu"
    )
    prior = prior or bnn.priors.Normal(0, bnn.priors.HalfNormal(1.0))
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", train.x), prior)
        pm.Categorical("y", logit_p=logits, observed=train.y, shape=logits.shape[0])
    return model


def test_classes_from_outside_the_package():
    space = {"bnn": bnn, "pm": pm, "pt": pt, "np": np, "dataclass": dataclass, "Any": Any}
    exec("from __future__ import annotations\n" + block("@dataclass"), space)
    model = small_convnet(space["Logistic"](scale=0.5))
    fitted = bnn.fit(
        model,
        epochs=2,
        batch_size=50,
        guide=space["OneScale"](),
        estimator=space["SignFlip"](),
        random_seed=1,
        progressbar=False,
    )
    summary = fitted.summary()
    assert set(summary["guide"]) == {"OneScale"}
    assert set(summary["estimator"]) == {"sign_flip"}
    assert fitted.params["conv1_W"]["log_scale"].shape == ()
    first, last = fitted.history["elbo"].iloc[[0, -1]]
    assert last > first


def test_choices_by_pattern():
    code = block("fitted = bnn.fit(\n    model,\n    epochs=30")
    quick = re.sub(r"epochs=\d+", "epochs=1, batch_size=50, progressbar=False, random_seed=1", code)
    space = {"bnn": bnn, "optax": optax, "model": small_convnet()}
    exec(quick, space)
    summary = space["fitted"].summary()
    assert summary.loc["conv1_W", ["guide", "estimator"]].tolist() == ["Delta", "pathwise"]
    assert summary.loc["dense1_W", ["guide", "estimator"]].tolist() == ["MeanField", "flipout"]
    assert summary.loc["dense1_W_sigma", "guide"] == "FullRank"
    assert len(space["again"].history) == 4
