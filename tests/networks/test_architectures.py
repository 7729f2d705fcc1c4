"""A network of pytensor-ml's layers that are no plain sums: fitted by rows, and what it learned."""

import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor_ml.layers import RNN, Conv1D, Embedding, LayerNorm, Linear, MultiheadAttention
from pytensor_ml.params import trainable
from pytensor_ml.state import ZeroInitializer
from sklearn.datasets import load_digits

import pymc_bnn as bnn

pytestmark = pytest.mark.long

IMAGES, LABELS = load_digits(n_class=2, return_X_y=True)
# Four by four sums of four pixels, as words of a sentence.
WORDS = IMAGES.reshape(-1, 4, 2, 4, 2).sum(axis=(2, 4)).reshape(-1, 16).astype(int) // 4
N = 300


class Reader:
    """Words and places are embedded, mixed by attention and a convolution, read one by one."""

    def __init__(self):
        self.word = Embedding("word", n_embeddings=17, n_features=4)
        self.place = trainable(np.zeros((16, 4)), "place", initializer=ZeroInitializer())
        self.norm = LayerNorm("norm", n_in=4)
        self.attention = MultiheadAttention("mix", n_embd=4, n_head=1, bias=False)
        self.conv = Conv1D("conv", in_channels=4, out_channels=4, kernel_size=4, stride=4)
        self.state = RNN("state", n_in=4, n_hidden=4)
        self.out = Linear("out", n_in=4, n_out=2)

    def __call__(self, ids):
        words = self.word(ids) + self.place
        words = words + self.attention(self.norm(words))
        return self.out(self.state(pt.tanh(self.conv(words)))[..., -1, :])


@pytest.fixture(scope="module")
def fitted():
    with pm.Model() as model:
        logits = bnn.bayesian(Reader(), pm.Data("x", WORDS[:N]))
        pm.Categorical("y", logit_p=logits, observed=LABELS[:N], shape=logits.shape[0])
    return bnn.fit(model, steps=200, batch_size=64, random_seed=1, progressbar=False)


def test_other_digits_are_told_apart_after_batches(fitted):
    found = fitted.predict({"x": WORDS[N:]}, draws=30, random_seed=1)["y"]
    assert np.mean(found.mean_probs.argmax(axis=-1) == LABELS[N:]) > 0.9
    with pytest.raises(ValueError, match=r"must hold indices in 0…16, as 'word_W' has 17"):
        fitted.predict({"x": WORDS[N:] + 9})


def test_its_layers_and_their_estimators_are_told(fitted, tmp_path):
    frame = bnn.table(fitted).frame
    assert list(dict.fromkeys(zip(frame["layer"], frame["output"], strict=True))) == [
        ("Embedding", "(n, 16, 4)"),
        ("bias", "(n, 16, 4)"),
        ("LayerNorm", "(n, 16, 4)"),
        ("dense", "(n, 16, 4)"),
        ("conv", "(n, 4, 4)"),
        ("scan", "(n, 4)"),
        ("dense", "(n, 2)"),
    ]
    assert frame.index[frame["estimator"] == "local"].tolist() == ["out_W", "out_b"]
    fitted.save(tmp_path / "fit")
    assert str(bnn.table(bnn.load(tmp_path / "fit"))) == str(bnn.table(fitted))
    with pytest.raises(ValueError, match="`model` must be a model where there are options"):
        bnn.table(fitted, batch_size=10)
    choices = fitted.posterior.elbo.choices
    for layer, kind in {"state": "scan", "norm": "LayerNorm", "word": "Embedding"}.items():
        reasons = {c.reason for name, c in choices.items() if name.startswith(f"{layer}_")}
        assert reasons == {f"its layer ({kind}) is drawn pathwise"}
    assert "one weight at many positions" in choices["mix_q_proj_W"].reason
