"""Fits and predictions on so many devices: `devices_script.py OUT COUNTS [PORT RANK]`.

Run by tests/runtime/test_devices.py in processes of their own, as JAX counts its devices once.
"""

import sys

import jax
import numpy as np
import pymc as pm

import pymc_bnn as bnn
from pymc_bnn.runtime.compilation import Compiled


def model(x, y, dropout):
    with pm.Model() as made:
        inputs = pm.Data("x", x)
        network = bnn.networks.mlp((4, 8, 3), dropout=dropout)
        logits = bnn.bayesian(network, inputs, bnn.priors.Normal(0, bnn.priors.HalfNormal(1.0)))
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return made


def results(devices):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(601, 4)).astype("float32")  # 601 rows: no number of devices divides them
    y = (x @ rng.normal(size=(4, 3))).argmax(axis=1)
    cases = {
        "local, dropout": ({"batch_size": 100}, 0.5),
        "flipout, all data": ({"batch_size": None, "estimator": "flipout", "particles": 2}, 0.0),
    }
    found = {}
    for name, (options, dropout) in cases.items():
        fitted = bnn.fit(
            model(x, y, dropout),
            steps=15,
            random_seed=1,
            progressbar=False,
            devices=devices,
            **options,
        )
        prediction = fitted.predict(
            {"x": x[:101], "y": y[:101]}, 3, batch_size=32, random_seed=2, devices=devices
        )
        found[f"{name}/metrics"] = np.stack(fitted.record.metrics, axis=1)
        for block, roles in fitted.params.items():
            found |= {f"{name}/{block}/{role}": value for role, value in roles.items()}
        found[f"{name}/probs"] = prediction.probs
        found[f"{name}/votes"] = prediction.label_votes
        found[f"{name}/log_density"] = prediction.log_density
    return found


def members(devices):
    """Fits and chains of which each device has one at a time: bit by bit the numbers of one device.

    What ran where is told by the data that programs were called with.
    """
    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, 3))
    with pm.Model() as made:
        f = bnn.bayesian(bnn.networks.mlp((3, 5, 1)), pm.Data("x", x))
        noise = pm.HalfNormal("noise", 1)
        pm.Normal("y", f[:, 0], noise, observed=np.sin(x[:, 0]), shape=f.shape[0])
    places, executable = set(), Compiled.executable

    def seen(self, *args):
        there = {d for a in jax.tree.leaves(args) if isinstance(a, jax.Array) for d in a.devices()}
        places.update(there)
        assert len(there) <= 1
        return executable(self, *args)

    Compiled.executable = seen
    quiet = {"random_seed": 1, "progressbar": False, "devices": devices}
    found = {}
    for name, guide in {"mean field": None, "full rank": bnn.guides.FullRank()}.items():
        fitted = bnn.fit(made, members=4, steps=300, batch_size=60, guide=guide, **quiet)
        for member, each in enumerate(fitted.members):
            for block, roles in each.params.items():
                found |= {f"{name}/{member}/{block}/{role}": v for role, v in roles.items()}
        found[f"{name}/elbo"] = fitted.history["elbo"].to_numpy()
    refined = fitted.refine(20, tune=20, max_tree_depth=3, **quiet)
    found |= {f"refined/{k}": v for k, v in refined.posterior.values.items()}
    had = {d.id for d in places}
    places.clear()
    last = fitted.refine(2, tune=2, max_tree_depth=2, **{**quiet, "devices": jax.devices()[3:]})
    assert {d.id for d in places} >= {3}
    found["refined on the last"] = last.posterior.values["noise"]
    places.clear()
    with jax.default_device(jax.devices()[3]):  # the user's own way
        bnn.fit(made, members=2, steps=20, random_seed=1, progressbar=False)
    assert {d.id for d in places} == {3}
    Compiled.executable = executable
    return {**found, "places": np.array(sorted(had))}


def main():
    out, counts, *where = sys.argv[1:]
    if where:
        jax.distributed.initialize(f"127.0.0.1:{where[0]}", 2, int(where[1]))
    saved = {"devices": len(jax.devices())}
    for count in counts.split(","):
        devices = int(count) if count.isdecimal() else {"one": None}.get(count, count)
        found = results(devices)
        if jax.process_count() == 1:
            found |= {f"members/{k}": v for k, v in members(devices).items()}
        saved |= {f"{count}/{name}": value for name, value in found.items()}
    np.savez(out, **saved)


if __name__ == "__main__":
    main()
