"""One model with a network in it, and every engine that PyMC knows: what each finds, and how fast.

    python examples/engines.py --out results/engines

Did a treatment work? 240 people, half of them treated; what the outcome was without it depends on
age and the dose of another drug in a way that nobody knows, for which the model has a small
network. The number of interest is the effect of the treatment. The model is written once, and given
to `bnn.fit` (and to `refine`, NUTS from where that ended), `pm.fit`, `pm.sample` with each of its
four samplers, and `pm.find_MAP`. PyMC's own functions judge all answers, on 500 people that no
engine saw. What is not installed, or does not go with this PyMC, is named and left out.
"""

import argparse
import json
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm
import xarray as xr
from scipy.special import logsumexp

import pymc_bnn as bnn
from pymc_bnn import plots
from pymc_bnn.report import make_folder

EFFECT, NOISE = 0.5, 0.4  # what the data are made with
ENGINES = {  # and what each needs beside PyMC and this package
    "bnn.fit": None,
    "bnn.fit, refine": "blackjax",
    "pm.fit": None,
    "pm.sample, pymc": None,
    "pm.sample, nutpie": "nutpie",
    "pm.sample, numpyro": "numpyro",
    "pm.sample, blackjax": "blackjax",
    "pm.find_MAP": None,
}


def people(n: int, seed: int) -> dict[str, Any]:
    """Return simulated data, by the names that they have in the model."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"age": rng.normal(size=n), "dose": rng.normal(size=n)})
    treated = rng.integers(0, 2, n)
    outcome = np.sin(2 * frame["age"]) + 0.5 * frame["age"] * frame["dose"] + EFFECT * treated
    return {"x": frame, "treated": treated, "outcome": outcome + rng.normal(0, NOISE, n)}


def build(data: dict[str, Any]) -> pm.Model:
    """Return the model: an effect, a noise, and a network of eight tanh units."""
    with pm.Model() as model:
        x, treated = pm.Data("x", data["x"]), pm.Data("treated", data["treated"])
        f = bnn.bayesian(bnn.networks.mlp((2, 8, 1)), x, bnn.priors.Normal(0, 1))[:, 0]
        effect, noise = pm.Normal("effect", 0, 1), pm.HalfNormal("noise", 1)
        mu = pm.Deterministic("mu", f + effect * treated)
        pm.Normal("y", mu, noise, observed=pm.Data("outcome", data["outcome"]), shape=mu.shape)
    return model


def run(engine: str, model: pm.Model, steps: int, draws: int, seed: int) -> xr.DataTree:
    """Return what an engine draws from the posterior."""
    quiet = {"random_seed": seed, "progressbar": False}
    if engine.startswith("bnn.fit"):
        length = {} if steps == 0 else {"steps": steps}  # none: until the ELBO has settled
        fitted = bnn.fit(model, **length, **quiet)
        if engine == "bnn.fit":
            return fitted.sample(2 * draws, random_seed=seed)
        return fitted.refine(draws // 2, tune=draws // 2, chains=4, **quiet).sample()
    if engine == "pm.fit":
        approx = pm.fit(steps or 20_000, model=model, backend="jax", **quiet)
        return approx.sample(2 * draws, random_seed=seed)
    if engine == "pm.find_MAP":
        # Its gradient would be zero where all weights are; the model says where networks start.
        how = {"backend": "jax", "jitter": False, "return_inferencedata": True}
        return pm.find_MAP(model=model, **how, **quiet)
    sampler = engine.removeprefix("pm.sample, ")
    own = {"nuts": {"chain_method": "vectorized"}}  # of the two that are JAX
    own = {"backend": "jax"} if sampler in ("pymc", "nutpie") else own
    chains = {"chains": 2, "cores": 1, "compute_convergence_checks": False}
    return pm.sample(draws, tune=draws, nuts_sampler=sampler, model=model, **chains, **quiet, **own)


def judge(draws: xr.DataTree, model: pm.Model, test: dict[str, Any]) -> dict[str, float]:
    """Return scores on data that were not seen, and the numbers of interest."""
    posterior = draws.posterior.dataset
    chosen = xr.DataTree.from_dict({"posterior": posterior.drop_vars("mu", errors="ignore")})
    compiled = {"progressbar": False, "compile_kwargs": {"mode": "JAX"}}
    with model:
        pm.set_data(test)
        found = pm.compute_log_likelihood(chosen, extend_inferencedata=False, **compiled)
        chosen = pm.compute_deterministics(chosen["posterior"].dataset, **compiled)
    each = found["y"].values.reshape(-1, len(test["treated"]))
    error = chosen["mu"].mean(("chain", "draw")).values - np.asarray(test["outcome"])
    scores = {"log_likelihood": np.mean(logsumexp(each, axis=0) - np.log(len(each)))}
    scores["rmse"] = np.sqrt(np.mean(error**2))
    for name in ("effect", "noise"):
        scores[name], scores[f"{name}_sd"] = posterior[name].mean(), posterior[name].std()
    return {name: float(value) for name, value in scores.items()}


def main() -> None:
    """Run every engine that is there, judge it, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="results/engines", help="folder for the results")
    parser.add_argument("--only", nargs="+", choices=list(ENGINES), help="these engines")
    parser.add_argument("--draws", type=int, default=1000, help="of each of two chains")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    args = parser.parse_args()
    out = make_folder(args.out)
    steps, draws = (200, 20) if args.quick else (0, args.draws)
    train, test = people(240, args.seed), people(500, args.seed + 1)

    table, missing = {}, {}
    for engine in args.only or ENGINES:
        needed = ENGINES[engine]
        if needed is not None and find_spec(needed) is None:
            missing[engine] = needed
            print(f"{engine}: left out, {needed} is not installed (pip install {needed})")
            continue
        model = build(train)
        with warnings.catch_warnings():
            for text in (
                "The RandomType SharedVariables",
                "Skipping .* as JAX",
                "PyTensor could not",
            ):
                warnings.filterwarnings("ignore", text)
            began = time.perf_counter()
            try:
                drawn = run(engine, model, steps, draws, args.seed)
            except (ImportError, TypeError) as error:
                if needed is None:
                    raise
                missing[engine] = f"{needed} {version(needed)}: {str(error).splitlines()[0]}"
                print(f"{engine}: left out, PyMC cannot call {missing[engine]}")
                continue
            seconds = time.perf_counter() - began
            table[engine] = {**judge(drawn, model, test), "seconds": seconds}
        print(engine, {k: round(v, 3) for k, v in table[engine].items()}, flush=True)
        report = {"draws": 2 * draws, "seed": args.seed, "engines": table, "missing": missing}
        (out / "report.json").write_text(json.dumps(report, indent=2) + "\n")

    if not table:
        print("nothing to compare")
        return
    frame = pd.DataFrame(table).T
    frame.loc[frame.index == "pm.find_MAP", ["effect_sd", "noise_sd"]] = np.nan  # of a point
    print(f"\n{len(test['treated'])} new people; the effect is {EFFECT}, the noise {NOISE}")
    print(frame.round(3).to_string(na_rep="–"))

    fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
    places = range(len(frame))
    ax.errorbar(frame["effect"], places, xerr=2 * frame["effect_sd"].fillna(0), fmt="o")
    ax.axvline(EFFECT, color="k", lw=0.8, label="the truth")
    ax.set(yticks=places, yticklabels=frame.index, xlabel="effect, and two standard deviations")
    ax.invert_yaxis()
    fig.legend(loc="outside upper center", frameon=False)
    plots.save(fig, out / "effect.png")
    print(f"written to {out}")


if __name__ == "__main__":
    main()
