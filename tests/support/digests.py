"""What ten fits come out at, to be compared bit by bit with another commit's.

python tests/support/digests.py write before.npz      (in the tree of one commit)
python tests/support/digests.py compare before.npz    (in the tree of another)

Each model is fitted for 60 steps, whose history, parameters, ELBO and predictions must be equal bit
by bit after a change of the layout, and for one step, which may differ by 4 units in the last place
after a change of the computation. What differs is listed, with its largest distance.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)
sys.path.insert(0, str(Path(__file__).parents[2]))

import warnings

import numpy as np
import pymc as pm

import pymc_bnn as bnn

ULPS = 4
PRIOR = bnn.priors.Normal(0, 0.3)


def classes(network, shape, n, **keywords):
    """Return a classifier's model, and new data."""
    rng = np.random.default_rng(3)
    x = rng.random((n, *shape), dtype="float32")
    y = rng.integers(0, 3, n)
    with pm.Model() as model:
        data = pm.Data("x", x, shape=(None, *shape))
        logits = bnn.bayesian(network, data, keywords.get("prior", PRIOR))
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model, {"x": rng.random((37, *shape), dtype="float32"), "y": rng.integers(0, 3, 37)}


def mlp():
    model, new = classes(bnn.networks.mlp((5, 8, 3)), (5,), 300)
    return model, new, {"batch_size": 64}


def conv():
    network = bnn.networks.convnet((8, 8, 1), 3, 4, kernel_size=3, dense=6)
    model, new = classes(network, (8, 8, 1), 100)
    return model, new, {"batch_size": 32}


def hierarchical():
    prior = bnn.priors.Normal(0, sigma=bnn.priors.HalfNormal(1))
    model, new = classes(bnn.networks.mlp((5, 8, 3)), (5,), 200, prior=prior)
    return model, new, {"batch_size": 50}


def full_rank_on_scales():
    model, new, keywords = hierarchical()
    return model, new, {**keywords, "guide": {"*_sigma": bnn.guides.FullRank()}}


def low_rank():
    model, new, keywords = mlp()
    return model, new, {**keywords, "guide": bnn.guides.LowRank(2)}


def delta():
    model, new, keywords = mlp()
    return model, new, {**keywords, "guide": bnn.guides.Delta()}


def dropout():
    model, new = classes(bnn.networks.mlp((5, 8, 3), dropout=0.2), (5,), 300)
    return model, new, {"batch_size": 64}


def stream():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(110, 2)).astype("float32")
    y = (x @ [1.0, -2.0] + rng.normal(size=110)).astype("float32")
    with pm.Model() as model:
        data = pm.Data("x", x[:8], shape=(None, 2))
        mu = bnn.bayesian(bnn.networks.mlp((2, 4, 1)), data, PRIOR)[:, 0]
        pm.Normal("y", mu, pm.HalfNormal("s", 1), observed=y[:8], shape=mu.shape[0])
    batches = [{"x": x[i : i + 20], "y": y[i : i + 20]} for i in range(0, 110, 20)]
    return model, {"x": x[:30], "y": y[:30]}, {"data": batches, "total_size": 110}


def two_devices():
    model, new, keywords = mlp()
    return model, new, {**keywords, "devices": 2}


def without_a_network():
    rng = np.random.default_rng(5)
    x, group = rng.normal(size=400), rng.integers(0, 5, 400)
    y = rng.poisson(np.exp(0.3 * x + 0.1 * group))
    with pm.Model() as model:
        effects = pm.Normal("a", 0, pm.HalfNormal("s", 1), shape=5)
        slope = pm.StudentT("b", 4)
        mu = pm.math.exp(effects[pm.Data("g", group)] + slope * pm.Data("x", x))
        pm.Poisson("y", mu, observed=y, shape=mu.shape[0])
    new = {"x": rng.normal(size=20), "g": rng.integers(0, 5, 20), "y": rng.poisson(1, 20)}
    return model, new, {"batch_size": 100, "particles": 2}


MODELS = (
    mlp, conv, hierarchical, full_rank_on_scales, low_rank, delta, dropout, stream, two_devices,
    without_a_network,
)  # fmt: skip


def digest(make):
    """Return the arrays of a model's fits by name."""
    found = {}
    model, new, keywords = make()
    for steps in (60, 1):
        fitted = bnn.fit(model, steps=steps, random_seed=7, progressbar=False, **keywords)
        own = {f"history/{k}": v.to_numpy() for k, v in fitted.history.items()}
        for block, roles in fitted.params.items():
            own |= {f"params/{block}/{role}": np.asarray(v) for role, v in roles.items()}
        if steps > 1:
            data = {"data": keywords["data"]} if "data" in keywords else {}
            elbo = fitted.elbo(3, random_seed=2, **data)
            own |= {f"elbo/{k}": np.asarray(v) for k, v in elbo.items()}
            own |= {f"kl/{k}": np.asarray(v) for k, v in fitted.kl(3).items()}
            predicted = fitted.predict(new, draws=4, batch_size=16, random_seed=9)
            for name in ("probs", "samples", "class_votes", "mean"):
                value = getattr(predicted["y"], name, None)
                if value is not None:
                    own[f"predicted/{name}"] = np.asarray(value)
            own["predicted/log_density"] = predicted.log_density
            drawn = fitted.sample(3, random_seed=5).posterior
            own |= {f"sample/{k}": v.to_numpy() for k, v in drawn.items()}
        found |= {f"{make.__name__}/{steps}/{k}": v for k, v in own.items()}
    return found


def distance(a, b):
    """Return the largest distance in units in the last place of the larger magnitude."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return np.inf
    if not np.issubdtype(a.dtype, np.floating):
        return 0.0 if np.array_equal(a, b) else np.inf
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    unit = np.spacing(np.maximum(np.abs(a), np.abs(b)).astype("float32"))
    return float(np.max(np.where(same, 0.0, np.abs(a - b) / unit), initial=0.0))


def main(what, path, *names):
    warnings.simplefilter("ignore")
    chosen = [make for make in MODELS if not names or make.__name__ in names]
    found = {}
    for make in chosen:
        found |= digest(make)
        print(make.__name__, flush=True)
    if what == "write":
        np.savez(path, **found)
        return 0
    before, worst = np.load(path), {}
    known = {k for k in before.files if not names or k.split("/")[0] in names}
    for key in sorted(known | set(found)):
        gap = distance(before[key], found[key]) if key in found and key in known else np.inf
        if gap:
            worst[key] = gap
    for key, gap in worst.items():
        print(f"{gap:10.4g} ulp  {key}")
    one_step = [gap for key, gap in worst.items() if key.split("/")[1] == "1"]
    largest = max(one_step, default=0)
    print(f"{len(worst)} of {len(known)} arrays differ; after one step by at most {largest:g} ulp")
    return int(bool(worst)) + int(largest > ULPS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
