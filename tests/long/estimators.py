"""All of scikit-learn's checks of the estimators, and its tools that fit many times.

    python tests/long/estimators.py [--only NAME …] [--steps 200]

`check_estimator` of both, whose one expected failure is the equivalence of weights and repeated
rows; grid search, two workers, another process, thresholds, calibration, routing, portions, members
and early stopping, several targets. A line for each; exit code 1 if one fails. Some four minutes
on two idle cores.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # for the check of array types
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import numpy as np
from joblib import Parallel, delayed
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.estimator_checks import check_estimator

import pymc_bnn as bnn
from pymc_bnn.sklearn import BNNClassifier, BNNRegressor

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "steps are stochastic; at 1e-7 they differ"
}
QUICK = {"steps": 150, "draws": 40, "random_state": 1, "fit_options": {"learning_rate": 0.03}}


def table():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(150, 3))
    return 1000 + 50 * z, 7 + 20 * (np.sin(z[:, 0]) + z[:, 1] + 0.3 * rng.normal(size=150))


def checks_of(estimator):
    """Run every check; return how many passed."""
    found = check_estimator(estimator, on_fail=None, expected_failed_checks=EXPECTED)
    by_status = {}
    for check in found:
        by_status.setdefault(check["status"], []).append(check)
    for check in by_status.get("failed", []):
        print(f"  {check['check_name']}: {check['exception']!r}"[:400])
    assert "failed" not in by_status
    assert {c["check_name"] for c in by_status["xfail"]} == set(EXPECTED)
    return {status: len(checks) for status, checks in by_status.items()}


def checks_of_the_regressor(steps):
    options = {"steps": steps, "draws": 20, "fit_options": {"learning_rate": 0.03}}
    return checks_of(BNNRegressor((5,), **options))


def checks_of_the_classifier(steps):
    options = {"steps": steps, "draws": 20, "fit_options": {"learning_rate": 0.03}}
    return checks_of(BNNClassifier((5,), **options))


def grid_search(steps):
    x, y = table()
    grid = {"hidden_layer_sizes": [(), (5,), (5, 5)], "noise": ["constant", "input"]}
    search = GridSearchCV(BNNRegressor(**QUICK), grid, cv=3, error_score="raise").fit(x, y)
    assert search.best_score_ > 0.6
    return search.best_params_, round(float(search.best_score_), 3)


def two_workers(steps):
    x, y = table()
    model = BNNRegressor((5,), **QUICK)
    alone = cross_val_score(model, x, y, cv=4)
    began = time.perf_counter()
    together = cross_val_score(model, x, y, cv=4, n_jobs=2)
    assert np.array_equal(alone, together)
    return f"the same scores; {time.perf_counter() - began:.1f} s by two workers"


def _threads(x, y):
    BNNRegressor((5,), **QUICK).fit(x, y)
    return os.environ.get("PJRT_NPROC")


def threads_of_workers(steps):
    found = set(Parallel(n_jobs=2)(delayed(_threads)(*table()) for _ in range(2)))
    assert found == {os.environ.get("OMP_NUM_THREADS", str(max(1, os.cpu_count() // 2)))}
    return found


def another_process(steps):
    x, y = table()
    labels = np.where(y > 7, "high", "low")
    models = [BNNRegressor((5,), members=2, **QUICK), BNNClassifier((5,), **QUICK)]
    models = [models[0].fit(x, y), models[1].fit(x, labels)]
    code = (
        "import pickle, sys, numpy as np; models, x = pickle.load(open(sys.argv[1], 'rb'));"
        "np.savez(sys.argv[2], *models[0].predict(x, return_std=True), models[1].predict_proba(x))"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(f"{folder}/in").write_bytes(pickle.dumps((models, x)))
        subprocess.run([sys.executable, "-c", code, f"{folder}/in", f"{folder}/out"], check=True)
        with np.load(f"{folder}/out.npz") as found:
            arrays = [found[name] for name in found]
    expected = [*models[0].predict(x, return_std=True), models[1].predict_proba(x)]
    assert all(np.array_equal(a, b) for a, b in zip(arrays, expected, strict=True))
    return f"pickle of {len(pickle.dumps(models)) / 1e3:.0f} kB for two models, the same numbers"


def thresholds_and_calibration(steps):
    x, y = table()
    model, labels = BNNClassifier((5,), **QUICK), np.where(y > 20, "high", "low")
    tuned = TunedThresholdClassifierCV(model, cv=2).fit(x, labels)
    calibrated = CalibratedClassifierCV(model, cv=2).fit(x, labels)
    scores = [tuned.score(x, labels), calibrated.score(x, labels)]
    assert min(scores) > 0.8
    return np.round(scores, 3)


def routing(steps):
    x, y = table()
    weights = np.linspace(0.5, 2, 150)
    with config_context(enable_metadata_routing=True):
        model = BNNRegressor((5,), **QUICK).set_fit_request(sample_weight=True)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        found = cross_validate(
            make_pipeline(scaler, model),
            x,
            y,
            cv=2,
            params={"sample_weight": weights},
            return_estimator=True,
            error_score="raise",
        )
    held = found["estimator"][0][-1].fitted_.problem.model["weight"].get_value()
    assert np.allclose(held, weights[75:])
    return "weights reach fit and score"


def weights_of_classes(steps):
    x, y = table()
    labels, rows = np.where(y > 20, "rare", "common"), np.linspace(0, 2, 150)
    one = {**QUICK, "steps": 1}

    def held(weight, sample_weight=None):
        model = BNNClassifier((5,), class_weight=weight, **one)
        model.fit(x, labels, sample_weight=sample_weight)
        return model.fitted_.problem.model["weight"].get_value()

    assert np.allclose(held("balanced"), compute_sample_weight("balanced", labels))
    expected = rows * np.where(labels == "rare", 4.0, 1.0)
    # The first row counts for nothing.
    assert np.allclose(held({"rare": 4, "common": 1}, rows), expected[1:])
    return "balanced, and by name times those of rows"


def portions_of_classes(steps):
    x, y = table()
    labels = np.array(["a", "b", "c"])[np.digitize(y, [0, 20])]
    model = BNNClassifier((), **QUICK)
    model.partial_fit(x[labels != "c"], labels[labels != "c"], classes=["a", "b", "c"])
    before = model.predict_proba(x)[labels == "c", 2].mean()
    model.partial_fit(x[labels == "c"], labels[labels == "c"])
    after = model.predict_proba(x)[labels == "c", 2].mean()
    assert model.classes_.tolist() == ["a", "b", "c"]
    assert after > before + 0.1
    width = BNNRegressor(**QUICK).partial_fit(*(part[:100] for part in table()))
    width.partial_fit(*(part[100:] for part in table()))  # as wide as before, of fewer rows
    assert width.fitted_.mean["dense1_W"].shape == (3, 6)
    return f"p of a class that came late: {before:.2f}, then {after:.2f}"


def early_stopping_of_members(steps):
    x, y = table()
    options = {**QUICK, "steps": 400, "early_stopping": True, "members": 2}
    model = BNNClassifier((5,), **options).fit(x, y > 7, sample_weight=np.linspace(0, 1, 150))
    assert isinstance(model.fitted_, bnn.Mixture)
    assert len(model.validation_scores_) == len(model.fitted_.members) == 2
    return [m.record.steps for m in model.fitted_.members]


def several_targets(steps):
    x, y = table()
    both = np.stack([y, 1000 - 5 * y], axis=1)
    model = BNNRegressor((5,), noise="constant", **{**QUICK, "steps": 400}).fit(x, both)
    mean, std = model.predict(x, return_std=True)
    assert mean.shape == std.shape == (150, 2)
    assert model.predict_interval(x[:7]).shape == (7, 2, 2)
    assert model.sample_y(x[:7], 3).shape == (7, 2, 3)
    assert np.allclose(std[:, 1] / std[:, 0], 5, rtol=0.3)
    labels = MultiOutputClassifier(BNNClassifier((5,), **QUICK)).fit(x, both > np.median(both, 0))
    assert labels.predict(x).shape == (150, 2)
    return round(model.score(x, both), 3)


def choices(steps):
    x, y = table()
    model = BNNRegressor(
        network=lambda n, k: bnn.networks.mlp((n, 3, 3, k)),
        prior=bnn.priors.Normal(0, 1),
        guide=bnn.guides.LowRank(2),
        members=2,
        **QUICK,
    ).fit(x, y)
    assert model.fitted_.members[0].summary()["guide"].eq("LowRank").all()
    assert model.idata_.posterior["dense3_W"].sizes["chain"] == 2
    refined = BNNRegressor((), refine={"draws": 100, "tune": 100}, **QUICK).fit(x, y)
    assert refined.idata_.posterior.sizes["draw"] == 100
    return clone(model).get_params()["guide"], refined.fitted_


def seconds(steps):
    """Fits at the defaults: cold, and warm."""
    jax.config.update("jax_disable_most_optimizations", False)
    compiled = []
    event = "/jax/core/compile/backend_compile_duration"
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, *_, **__: compiled.append(name) if name == event else None
    )
    lines = []
    for model, load in ((BNNRegressor(), load_diabetes), (BNNClassifier(), load_breast_cancer)):
        x, y = load(return_X_y=True)
        model.set_params(random_state=1)
        for name in ("cold", "warm"):
            compiled.clear()
            wall, cpu = time.perf_counter(), time.process_time()
            model.fit(x[:500], y[:500])
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            lines.append(
                f"\n  {type(model).__name__}, {len(x[:500])} rows, {name}: {wall:.1f} s "
                f"(CPU {cpu:.1f} s), {model.n_iter_} steps, {len(compiled)} programs"
            )
    return "".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    jobs = (checks_of_the_regressor, checks_of_the_classifier, grid_search, two_workers)
    jobs += (threads_of_workers, another_process, thresholds_and_calibration, routing)
    jobs += (weights_of_classes, portions_of_classes, early_stopping_of_members)
    jobs += (several_targets, choices, seconds)
    parser.add_argument("--only", nargs="+", choices=[job.__name__ for job in jobs])
    parser.add_argument("--steps", type=int, default=200, help="of a fit in scikit-learn's checks")
    args = parser.parse_args()
    failed = []
    for job in jobs:
        if args.only and job.__name__ not in args.only:
            continue
        began = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                said = job(args.steps)
        except Exception:
            failed.append(job.__name__)
            said = traceback.format_exc()
        print(f"{job.__name__} ({time.process_time() - began:.0f} s of CPU): {said}", flush=True)
    print("failed: " + ", ".join(failed) if failed else "all passed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
