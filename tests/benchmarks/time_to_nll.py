"""Seconds from data in memory to a test NLL: ours, NumPyro, MC dropout and deep ensembles.

    python tests/benchmarks/time_to_nll.py [--models table_700 mlp …] [--seconds 10] [--out FOLDER]

The tables and networks of `time_to_answer.py`, and its rules: every run a process of its own whose
clock starts with the data and stands still while snapshots are copied; ours is `bnn.fit` with
nothing set (epochs on MNIST), under NumPyro's prior and under the default one, and under the latter
with `kl_weight` .1: a cold posterior, not the model's. NumPyro has six settings. Dropout of hidden
units (four settings: shares of .1 and .3, rates of .001 and .003) and ensembles of five (two rates)
are plain JAX: Adam, batches of 256, members in turn by 100 steps, so that all are as old. The
predictive distribution is the mean of 20 draws (members, masks), on 2,000 test rows of the tables,
5,000 test images, 2,000 for convolutional nets. Of each contender the setting counts that is there
first; "there" is the other's best NLL, or ours, within .01 (tables) or .002 (images), and the best
is the best snapshot's on these test data. Contenders that are left out are read from FOLDER.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nets
import numpy as np
import pandas as pd
import time_to_answer
from workloads import WORKLOADS, Layer, Workload

OPTIONS = "rate", "batch", "scale", "share", "seconds", "kl_weight"
DRAWS, MEMBERS, EACH, BATCH = 20, 5, 100, 256
DENSE = (Layer("dense1", (8, 50), True, True), Layer("dense2", (50, 1), True, False))
TABLE = Workload("table", "8-50-1", DENSE, "tanh", BATCH, "", 10)
RATES, SHARES = (0.001, 0.003), (0.1, 0.3)
SETTINGS: dict[str, list[dict[str, float]]] = {
    "ours": [{}],
    "ours, default prior": [{}],  # networks only; tables have priors of their own
    "ours, cold": [{"kl_weight": 0.1}],  # networks only: another posterior than the model's
    "NumPyro": [],  # those of time_to_answer.py
    "dropout": [{"rate": r, "share": p} for r in RATES for p in SHARES],
    "ensemble": [{"rate": r} for r in RATES],
}
Snapshot = tuple[float, Any]


def workload_of(name: str) -> Workload:
    """Return the network."""
    return WORKLOADS[name] if name in nets.NETS else TABLE


def data(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return training and test arrays."""
    if name in nets.NETS:
        few = 2000 if WORKLOADS[name].convolutional else 5000
        return nets.data(name), {k: v[:few] for k, v in nets.data(name, "test").items()}
    n = int(name.removeprefix("table_"))
    whole = time_to_answer.data(f"table_{n + 2000}")
    return {k: v[:n] for k, v in whole.items()}, {k: v[n:] for k, v in whole.items()}


def log_density(workload: Workload, weights: Any, x: Any, y: Any, forward: Any) -> Any:
    """Return log p(y | x, weights), (rows,): classes, or a Normal of learned noise."""
    import jax
    import jax.numpy as jnp

    out = forward(workload, weights, x)
    if workload is not TABLE:
        return jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], axis=1)[:, 0]
    return jax.scipy.stats.norm.logpdf(y, out[:, 0], jnp.exp(weights["noise"]))


def dropped(key: Any, share: float) -> Callable[..., Any]:
    """Return `plain_jax.forward` with units of hidden layers left out."""
    import jax
    import jax.numpy as jnp
    from plain_jax import forward

    def masked(workload: Workload, weights: Any, x: Any) -> Any:
        for i, layer in enumerate(workload.layers):
            one = Workload("", "", (layer,), workload.activation, 0, "", 0)
            x = forward(one, weights, x)
            if layer.activate:
                kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - share, x.shape)
                x = jnp.where(kept, x / (1 - share), 0.0)
        return x

    return masked


def trained(
    name: str,
    arrays: dict[str, np.ndarray],
    began: float,
    seconds: float,
    rate: float,
    share: float = 0.0,
    members: int = 1,
) -> Iterator[Snapshot]:
    """Train networks in turn by Adam; yield the weights of all."""
    import jax
    import jax.numpy as jnp
    import optax
    from plain_jax import forward, next_batch

    workload, optimizer = workload_of(name), optax.adam(rate)
    held = jnp.asarray(arrays["x"], "float32"), jnp.asarray(arrays["y"])

    def loss(weights: Any, key: Any, x: Any, y: Any) -> Any:
        how = dropped(key, share) if share else forward
        return -log_density(workload, weights, x, y, how).mean()

    def step(state: Any, data: Any) -> Any:
        weights, memory, order, done, key = state
        order, rows = next_batch(key, done, order, BATCH)
        own = jax.random.fold_in(jax.random.fold_in(key, 1), done)
        slope = jax.grad(loss)(weights, own, data[0][rows], data[1][rows])
        updates, memory = optimizer.update(slope, memory)
        return optax.apply_updates(weights, updates), memory, order, done + 1, key

    def begin(member: int) -> Any:
        weights = {k: jnp.asarray(v) for k, v in workload.starting_weights(member).items()}
        if workload is TABLE:
            weights["noise"] = jnp.float32(0.0)
        order = jnp.zeros(len(held[0]), jnp.int32)
        return weights, optimizer.init(weights), order, jnp.int32(0), jax.random.key(member)

    # XLA's convolutions are slower inside a loop on CPUs: those steps are called from Python.
    at_once = 1 if workload.convolutional else EACH
    many = jax.jit(
        lambda state, data: jax.lax.fori_loop(0, at_once, lambda _, s: step(s, data), state),
        donate_argnums=0,
    )
    states, paused, steps, look, first = [begin(m) for m in range(members)], 0.0, 0, EACH, None
    while first is None or time.perf_counter() - paused - first < seconds:
        for m in range(members):
            for _ in range(EACH // at_once):
                states[m] = many(states[m], held)
        jax.block_until_ready(states)
        first, steps = first or time.perf_counter(), steps + EACH
        if steps < look:
            continue
        now, look = time.perf_counter(), int(look * 1.3)
        yield now - began - paused, [jax.device_get(state[0]) for state in states]
        paused += time.perf_counter() - now


def snapshots(how: dict[str, Any], arrays: dict[str, np.ndarray]) -> Iterator[Snapshot]:
    """Run a contender."""
    name, who, began = how["model"], how["who"], time.perf_counter()
    options = {k: how[k] for k in OPTIONS if k in how}
    if who.startswith("ours"):
        if name in nets.NETS:
            return nets.ours(name, arrays, began, default_prior=who != "ours", **options)
        return time_to_answer.ours(arrays, began)
    if who == "NumPyro":
        if name in nets.NETS:
            return nets.numpyro(name, arrays, began, **options)
        return time_to_answer.numpyro(arrays, began, **options)
    members = MEMBERS if who == "ensemble" else 1
    return trained(name, arrays, began, members=members, **options)


def nlls(how: dict[str, Any], found: list[Snapshot], test: dict[str, np.ndarray]) -> list[float]:
    """Return the test NLL of the mean of draws."""
    import jax
    import jax.numpy as jnp
    from evaluation import draw
    from plain_jax import forward

    jax.config.update("jax_enable_x64", False)
    workload, share = workload_of(how["model"]), how.get("share", 0.0)
    x, y = jnp.asarray(test["x"], "float32"), jnp.asarray(test["y"])

    @jax.jit
    def of_weights(weights: Any, key: Any, x: Any, y: Any) -> Any:
        own = dropped(key, share) if share else forward
        return log_density(workload, weights, x, y, own)

    def by_batches(weights: Any, key: Any) -> np.ndarray:
        starts = range(0, len(x), 500)
        return np.concatenate(
            [of_weights(weights, key, x[i : i + 500], y[i : i + 500]) for i in starts]
        )

    keys, scores = jax.random.split(jax.random.key(3), DRAWS), []
    for _, kept in found:
        if isinstance(kept, list):  # weights
            each = [(w, k) for w in kept for k in (keys if share else keys[:1])]
        else:
            if isinstance(kept, dict):  # of pairs
                kept = tuple({k: np.asarray(v[i]) for k, v in kept.items()} for i in (0, 1))
            parts = [{k: jnp.asarray(v, "float32") for k, v in part.items()} for part in kept]
            each = [(draw(key, *parts), key) for key in keys]
        logs = np.stack([by_batches(*one) for one in each]).astype(float)
        scores.append(float(np.log(len(logs)) - np.logaddexp.reduce(logs, axis=0).mean()))
    return scores


def run(how: dict[str, Any]) -> None:
    """Run one contender, judge its snapshots, and write them."""
    time_to_answer.import_all()
    train, test = data(how["model"])
    found = list(snapshots(how, train))
    scores = nlls(how, found, test)
    path = [{"s": s, "nll": nll} for (s, _), nll in zip(found, scores, strict=True)]
    Path(how["out"]).write_text(json.dumps(path))


def main() -> None:
    models = ["table_700", "table_7000", *nets.NETS]
    args = time_to_answer.arguments(__doc__, models, list(SETTINGS), "results/time_to_nll")
    if args.run:
        run(args.run)
        return
    rows = []
    for name in args.models:
        kept, near = args.out / f"{name}.json", 0.002 if name in nets.NETS else 0.01
        paths: dict[str, list[Any]] = json.loads(kept.read_text()) if kept.exists() else {}
        for who in args.contenders:
            if who.startswith("ours,") and name not in nets.NETS:
                continue
            settings = SETTINGS[who] or time_to_answer.settings_of_numpyro(name)
            limit = {} if who.startswith("ours") else {"seconds": args.seconds}
            how = {"model": name, "who": who, **limit}
            tried = [time_to_answer.path_of(__file__, **how, **one) for one in settings]
            paths[who] = [path for path in tried if path]
            kept.write_text(json.dumps(paths))
        best = {who: min(at["nll"] for p in each for at in p) for who, each in paths.items()}
        for own in (who for who in paths if who.startswith("ours")):
            for of in (who for who in paths if not who.startswith("ours")):
                row = {"model": name, "who": own, "against": of}
                for whose, target in (("its", best[of] + near), ("our", best[own] + near)):
                    row |= {f"{whose} NLL": target - near}
                    row |= {f"our s to {whose}": reached(paths[own], target)}
                    row |= {f"its s to {whose}": reached(paths[of], target)}
                rows.append(row)
    print(pd.DataFrame(rows).round(3).to_string(index=False))


def reached(paths: list[list[dict[str, float]]], target: float) -> float:
    """Return the seconds to the first snapshot of that NLL; infinity without one."""
    return min((at["s"] for path in paths for at in path if at["nll"] <= target), default=np.inf)


if __name__ == "__main__":
    main()
