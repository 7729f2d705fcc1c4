"""Seconds from data in memory to the ELBO at which NumPyro's best of six settings ends.

    python tests/benchmarks/time_to_answer.py [--models table_700 …] [--seconds 10] [--out FOLDER]
    python tests/benchmarks/time_to_answer.py --models mlp conv lenet5 --seconds 40

A table of 700 and one of 7,000 rows with a network 8-50-1 and learned noise, and a hierarchical
model of 1,000 rows in 40 groups. Every run is a process of its own, and its clock starts with the
data: model, tracing and compilation count, imports and the copying of snapshots do not. Ours is
`bnn.fit(model)` with nothing set, until it ends by itself. NumPyro (`AutoNormal`, closed KL, steps
inside a scan) and `pm.fit` on two backends have Adam at three rates, all rows in a step or batches
of 256, for so many seconds after their first step; of each the best counts: the one that reaches
the ELBO first, or comes nearest. One judge for all: PyMC's own density at 400 draws of the
mean-field posterior, all rows, float64; as that leaves tenths of a nat open, within a nat is there.
Contenders that are left out are read from FOLDER.

Networks on MNIST (`nets.py`, N(0, 0.1) on all weights) are by ours, `bnn.fit(model, epochs=…)` with
nothing else set, and by NumPyro alone, at three rates and from posteriors of scale 0.1 and 0.01, in
batches of 256; there 0.001 nats per image is near.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nets
import numpy as np
import pandas as pd

RATES, BATCHES = [0.001, 0.003, 0.01], [None, 256]
CONTENDERS = ["ours", "NumPyro", "pm.fit numba", "pm.fit jax"]
MODELS = ["table_700", "table_7000", "hierarchical"]
DRAWS, NEAR, NEAR_OF_NETS = 400, 1.0, 50.0  # nats, which the draws leave open
Snapshot = tuple[float, dict[str, tuple[Any, Any]]]  # seconds; means and scales by name


def data(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of a model."""
    rng = np.random.default_rng(0)
    if name == "hierarchical":
        group, x = rng.integers(0, 40, 1000), rng.normal(size=(1000, 5))
        y = 2 + rng.normal(size=40)[group] + x @ rng.normal(size=5) + rng.normal(size=1000)
        return {"x": x, "group": group, "y": y}
    n = int(name.removeprefix("table_"))
    x = rng.normal(size=(n, 8))
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.3 * rng.normal(size=n)
    return {"x": x, "y": (y - y.mean()) / y.std()}


def pymc_model(arrays: dict[str, np.ndarray], batch: int | None = None) -> Any:
    """Return the model in PyMC; of batches as `pm.Minibatch` has them."""
    import pymc as pm

    import pymc_bnn as bnn

    with pm.Model() as model:
        total = len(arrays["y"])
        if batch is None:
            given = {k: pm.Data(k, v) for k, v in arrays.items() if k != "y"}
            y, extra = arrays["y"], {"shape": given["x"].shape[0]}
        else:
            order = list(arrays)
            parts = pm.Minibatch(*(arrays[k] for k in order), batch_size=batch)
            given = dict(zip(order, parts, strict=True))
            y, extra = given.pop("y"), {"total_size": total}
        if "group" in given:
            of_group = pm.Normal("mean", 0, 5) + pm.Normal("z", 0, 1, shape=40) * pm.HalfNormal(
                "spread", 1
            )
            mu = of_group[given["group"]] + given["x"] @ pm.Normal("slopes", 0, 1, shape=5)
        else:
            network, prior = bnn.networks.mlp((8, 50, 1), activation="tanh"), bnn.priors.Normal
            priors = {"dense1_*": prior(0, 1), "*": prior(0, 0.3)}
            mu = bnn.bayesian(network, given["x"], priors)[:, 0]
        pm.Normal("y", mu, pm.HalfNormal("noise", 1), observed=y, **extra)
    return model


def ours(arrays: dict[str, np.ndarray], began: float) -> Iterator[Snapshot]:
    """Fit with nothing set; look at more and more steps."""
    from ours import snapshots

    at_steps = {int(100 * 1.15**k) for k in range(60)}
    for _, seconds, fit in snapshots(pymc_model(arrays), began, at_steps):
        values = {k: (v["loc"], np.exp(v["log_scale"])) for k, v in fit.params.items()}
        yield seconds, values


def numpyro(
    arrays: dict[str, np.ndarray], began: float, rate: float, batch: int | None, seconds: float
) -> Iterator[Snapshot]:
    """SVI with `AutoNormal`, many steps in a scan."""
    import jax
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import SVI, TraceMeanField_ELBO
    from numpyro.infer.autoguide import AutoNormal

    jax.config.update("jax_enable_x64", False)
    held = {k: jnp.asarray(v, "int32" if k == "group" else "float32") for k, v in arrays.items()}
    n = len(arrays["y"])

    def model() -> None:
        if "group" in held:
            names = {"mean": dist.Normal(0, 5), "spread": dist.HalfNormal(1)}
            own = {k: numpyro.sample(k, d) for k, d in names.items()}
            z = numpyro.sample("z", dist.Normal(0, 1).expand([40]).to_event())
            slopes = numpyro.sample("slopes", dist.Normal(0, 1).expand([5]).to_event())
        else:
            sizes = {"1_W": (8, 50), "1_b": (50,), "2_W": (50, 1), "2_b": (1,)}
            w = {
                f"dense{k}": numpyro.sample(
                    f"dense{k}", dist.Normal(0, 1 if k[0] == "1" else 0.3).expand(s).to_event()
                )
                for k, s in sizes.items()
            }
        noise = numpyro.sample("noise", dist.HalfNormal(1))
        with numpyro.plate("rows", n, subsample_size=batch) as rows:
            part = {k: v[rows] for k, v in held.items()} if batch else held
            if "group" in held:
                mu = (own["mean"] + z * own["spread"])[part["group"]] + part["x"] @ slopes
            else:
                h = jnp.tanh(part["x"] @ w["dense1_W"] + w["dense1_b"])
                mu = (h @ w["dense2_W"] + w["dense2_b"])[:, 0]
            numpyro.sample("y", dist.Normal(mu, noise), obs=part["y"])

    guide = AutoNormal(model)
    svi = SVI(model, guide, numpyro.optim.Adam(rate), TraceMeanField_ELBO())
    state = jax.jit(svi.init)(jax.random.key(1))  # by itself 290 small compilations, 9 s

    @jax.jit
    def many(state: Any) -> Any:
        return jax.lax.scan(lambda s, _: svi.update(s), state, None, length=100)[0]

    first, paused, steps, look = None, 0.0, 0, 100
    while first is None or time.perf_counter() - paused - first < seconds:
        state = jax.block_until_ready(many(state))
        steps += 100
        first = first or time.perf_counter()
        if steps < look:
            continue
        now, look = time.perf_counter(), int(look * 1.15) + 1
        params = jax.device_get(svi.get_params(state))
        names = {k.removesuffix("_auto_loc") for k in params if k.endswith("_auto_loc")}
        yield (
            now - began - paused,
            {k: (params[f"{k}_auto_loc"], params[f"{k}_auto_scale"]) for k in names},
        )
        paused += time.perf_counter() - now


def pm_fit(
    arrays: dict[str, np.ndarray],
    began: float,
    rate: float,
    batch: int | None,
    seconds: float,
    backend: str,
) -> Iterator[Snapshot]:
    """`pm.ADVI`, which `pm.fit` runs; more steps by `refine`."""
    import pymc as pm

    inference = pm.ADVI(model=pymc_model(arrays, batch), random_seed=1)
    adam = pm.adam(learning_rate=rate)
    inference.fit(100, backend=backend, obj_optimizer=adam, progressbar=False)
    first, paused, steps, look = time.perf_counter(), 0.0, 100, 100
    group = inference.approx.groups[0]
    while time.perf_counter() - paused - first < seconds:
        if steps >= look:
            now, look = time.perf_counter(), int(look * 1.15) + 1
            mean, rho = (np.asarray(group.params_dict[k].get_value()) for k in ("mu", "rho"))
            std = np.logaddexp(0, rho)
            found = {}
            for name, (_, where, shape, _) in group.ordering.items():
                at = mean[where].reshape(shape), std[where].reshape(shape)
                found[name.removesuffix("_log__")] = at
            yield now - began - paused, found
            paused += time.perf_counter() - now
        inference.refine(100, progressbar=False)
        steps += 100


def elbos(arrays: dict[str, np.ndarray], snapshots: list[Snapshot]) -> list[float]:
    """Return the ELBO of each, by PyMC's density of all rows."""
    import jax

    jax.config.update("jax_enable_x64", True)
    from pymc.sampling.jax import get_jaxified_logp

    model = pymc_model(arrays)
    density = jax.jit(jax.vmap(get_jaxified_logp(model)))
    rng, found = np.random.default_rng(5), []
    names = [variable.name for variable in model.free_RVs]
    for _, values in snapshots:
        draws, entropy = [], 0.0
        for name in names:
            loc, scale = (np.asarray(part, float) for part in values[name])
            draws.append(loc + scale * rng.normal(size=(DRAWS, *loc.shape)))
            entropy += np.log(scale).sum() + 0.5 * loc.size * np.log(2 * np.pi * np.e)
        found.append(float(np.mean(density(draws)) + entropy))
    return found


def import_all() -> None:
    """Import what contenders need, before their clocks start."""
    warnings.simplefilter("ignore")
    import numpyro as _numpyro  # noqa: F401
    import pymc as _pymc  # noqa: F401

    import pymc_bnn as bnn

    _ = bnn.fit, bnn.bayesian  # imported where they are asked for


def settings_of_numpyro(name: str) -> list[dict[str, Any]]:
    """Return NumPyro's six settings for a model."""
    tables = [{"rate": rate, "batch": batch} for rate in RATES for batch in BATCHES]
    return nets.NUMPYRO if name in nets.NETS else tables


def run(how: dict[str, Any]) -> None:
    """Run one contender, judge its snapshots, and print them."""
    import_all()
    name, who = how["model"], how["who"]
    arrays = nets.data(name) if name in nets.NETS else data(name)
    options = {k: how[k] for k in ("rate", "batch", "scale", "seconds") if k in how}
    began = time.perf_counter()
    if name in nets.NETS:
        found = list((nets.ours if who == "ours" else nets.numpyro)(name, arrays, began, **options))
        judged = nets.elbos(name, arrays, found)
        write(how["out"], found, judged)
        return
    if who == "ours":
        found = list(ours(arrays, began))
    elif who == "NumPyro":
        found = list(numpyro(arrays, began, **options))
    else:
        found = list(pm_fit(arrays, began, **options, backend=who.split()[1]))
    write(how["out"], found, elbos(arrays, found))


def write(out: str, found: list[Snapshot], judged: list[float]) -> None:
    """Write seconds and ELBO of each snapshot."""
    path = [{"s": s, "elbo": e} for (s, _), e in zip(found, judged, strict=True)]
    Path(out).write_text(json.dumps(path))


def path_of(script: str = __file__, **how: Any) -> list[dict[str, float]] | None:
    """Return what a run in a process of its own writes; None where it failed."""
    with tempfile.TemporaryDirectory() as folder:
        how["out"] = str(Path(folder) / "path.json")
        command = [sys.executable, script, "--run", json.dumps(how)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
        if done.returncode:
            print(how, done.stderr.strip().splitlines()[-1:], file=sys.stderr)
            return None
        return json.loads(Path(how["out"]).read_text())


def reached(path: list[dict[str, float]], target: float) -> float:
    """Return the seconds to the first snapshot of that ELBO; infinity without one."""
    return next((at["s"] for at in path if at["elbo"] >= target), np.inf)


def arguments(doc: str, models: list[str], who: list[str], out: str) -> argparse.Namespace:
    """Return the arguments of a command, or of one run of it."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    known = [*dict.fromkeys([*models, *nets.NETS])]
    parser.add_argument("--models", nargs="+", default=models, choices=known)
    parser.add_argument("--contenders", nargs="+", default=who, choices=who)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--out", type=Path, default=Path(out))
    parser.add_argument("--run", type=json.loads, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.run:
        args.out.mkdir(parents=True, exist_ok=True)
    return args


def main() -> None:
    args = arguments(__doc__, MODELS, CONTENDERS, "results/time_to_answer")
    if args.run:
        run(args.run)
        return
    rows = []
    for name in args.models:
        net = name in nets.NETS
        settings = settings_of_numpyro(name)
        kept = args.out / f"{name}.json"
        paths: dict[str, list[Any]] = json.loads(kept.read_text()) if kept.exists() else {}
        for who in args.contenders:
            if net and who.startswith("pm.fit"):
                continue
            how = {"model": name, "who": who}
            if who == "ours":
                paths[who] = [path_of(**how) for _ in range(1 if net else 3)]
                continue
            how["seconds"] = args.seconds
            paths[who] = [path_of(**how, **setting) for setting in settings]
        kept.write_text(json.dumps(paths))
        paths = {who: [p for p in each if p] for who, each in paths.items()}
        target = max(path[-1]["elbo"] for path in paths["NumPyro"])
        target -= NEAR_OF_NETS if net else NEAR
        for who, each in paths.items():
            seconds = [reached(path, target) for path in each]
            best = np.median(seconds) if who == "ours" else min(seconds, default=np.inf)
            last = [path[-1]["elbo"] for path in each]
            ends = np.median(last) if who == "ours" else max(last, default=np.nan)
            rows.append(
                {"model": name, "who": who, "target": target, "seconds": best, "best end": ends}
            )
            print(rows[-1], flush=True)
    frame = pd.DataFrame(rows)
    own = frame[frame.who == "ours"].set_index("model")["seconds"]
    frame["× ours"] = frame["seconds"] / frame["model"].map(own)
    print(frame.round(2).to_string(index=False))


if __name__ == "__main__":
    main()
