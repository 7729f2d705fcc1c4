"""Small models that are stopped and go on, and what it means that two fits are the same."""

import jax
import numpy as np
import pymc as pm

import pymc_bnn as bnn

RNG = np.random.default_rng(5)
N = 120
X = RNG.normal(size=(N, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.5 * RNG.normal(size=N)
IMAGES = RNG.normal(size=(40, 6, 6, 1)).astype("float32")
LABELS = (IMAGES.mean(axis=(1, 2, 3)) > 0).astype(int)
QUIET = {"random_seed": 3, "progressbar": False}


def regression(x=X, y=Y, sigma=1.5):
    with pm.Model() as model:
        w = pm.Normal("w", 0, sigma, shape=3)
        pm.Normal("y", pm.Data("x", x) @ w, pm.HalfNormal("s"), observed=y)
    return model


def counts():
    """Counts of which rates that are too high make infinities."""
    with pm.Model() as model:
        b = pm.Normal("b", 0, 10, shape=3)
        seen = np.random.default_rng(0).poisson(2, size=N)
        pm.Poisson("k", pm.math.exp(pm.Data("x", 10 * X) @ b), observed=seen)
    return model


def convolutional():
    network = bnn.networks.convnet((6, 6, 1), 2, 2, 3, dense=4, pool=1)
    with pm.Model() as model:
        logits = bnn.bayesian(network, pm.Data("x", IMAGES, shape=(None, 6, 6, 1)))
        pm.Categorical("y", logit_p=logits, observed=LABELS)
    return model


class Batches:
    """Batches in an order of their own, gone over again and again."""

    def __init__(self, size=25):
        self.size = size

    def __iter__(self):
        for start in range(0, N, self.size):
            yield {"x": X[start : start + self.size], "y": Y[start : start + self.size]}


class Stateful(Batches):
    """As torchdata's loaders: says where it is, in passes of random orders, and goes on there."""

    def __init__(self, size=25):
        super().__init__(size)
        self.passes, self.place, self.loaded = 0, 0, []

    def __iter__(self):
        first, self.place = self.place, 0
        order = np.random.default_rng(self.passes).permutation(N)
        for start in range(first, N, self.size):
            rows = order[start : start + self.size]
            self.place = start + self.size
            yield {"x": X[rows], "y": Y[rows]}
        self.passes, self.place = self.passes + 1, 0

    def state_dict(self):
        return {"passes": self.passes, "place": self.place}

    def load_state_dict(self, state):
        self.loaded.append(dict(state))
        self.passes, self.place = state["passes"], state["place"]


class Killed(Exception):
    """As if the process had ended."""


class Kill:
    """Ends a fit at a step, after what has been kept before."""

    def __init__(self, step):
        self.at_steps = {step}

    def on_chunk(self, state, info):
        raise Killed


def numbers(fitted):
    """All numbers of a fit, as bytes by name."""
    found = {str(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(fitted.state)}
    for i, record in enumerate(getattr(fitted.record, "members", (fitted.record,))):
        found |= {f"metrics {i} {j}": part for j, part in enumerate(record.metrics)}
    return {name: (np.shape(a), np.asarray(a).tobytes()) for name, a in found.items()}


def assert_same(one, other):
    """Bit by bit: parameters, optimiser, key, step, metrics; and how both ended."""
    assert one.record.steps == other.record.steps
    differ = [n for n, v in numbers(one).items() if numbers(other)[n] != v]
    assert not differ
    records = [getattr(f.record, "members", (f.record,)) for f in (one, other)]
    for a, b in zip(*records, strict=True):
        assert (a.rise, a.settled, a.gain) == (b.rise, b.settled, b.gain)
        assert (a.recoveries, a.interrupted) == (b.recoveries, b.interrupted)
