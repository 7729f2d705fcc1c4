"""Equal programs are compiled once: in a process, and on a machine."""

import gc
import re
import subprocess
import sys
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pymc as pm
import pytest
from sklearn.model_selection import KFold

import pymc_bnn as bnn
from pymc_bnn.runtime.compilation import Compiled
from tests.support.conjugate import QUIET, X, conjugate


def network_model(seed=0, n=60, units=5):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, 3)).astype("float32"), rng.integers(0, 3, size=n)
    with pm.Model() as model:
        inputs = pm.Data("x", x)
        network = bnn.networks.mlp((3, units, 3))
        logits = bnn.bayesian(network, inputs, bnn.priors.Normal(0, 1))
        pm.Categorical("y", logit_p=logits, observed=y, shape=logits.shape[0])
    return model, x


def use(model, x, seed=0, **options):
    fitted = bnn.fit(model, steps=5, batch_size=20, random_seed=seed, progressbar=False, **options)
    fitted.elbo(2)
    fitted.predict({"x": x[:30]}, draws=2, batch_size=10, random_seed=seed)
    return fitted


@pytest.mark.slow
@pytest.mark.long
def test_products_have_the_precision_that_jax_is_told(tmp_path, compilations):
    def programs(name, precision):
        """The texts of what is given to XLA."""
        jax.config.update("jax_dump_ir_to", str(tmp_path / name))
        try:
            with jax.default_matmul_precision(precision):
                use(*network_model(units=9))  # no other test's programs
        finally:
            jax.config.update("jax_dump_ir_to", "")
        return "".join(file.read_text() for file in (tmp_path / name).glob("*.mlir"))

    usual = programs("usual", None)
    assert compilations() > 0
    precise = programs("precise", "highest")
    assert compilations() > 0
    products = usual.count("stablehlo.dot_general")
    assert products > 0
    assert usual.count("HIGHEST") == 0
    assert precise.count("stablehlo.dot_general") == products
    assert precise.count("precision = [HIGHEST, HIGHEST]") == products


def test_a_second_fit_of_the_same_model_compiles_nothing(compilations):
    model, x = network_model()
    first = use(model, x)
    assert compilations() > 0
    again = use(model, x)
    assert compilations() == 0
    for name, roles in first.params.items():
        for role, value in roles.items():
            assert np.array_equal(value, again.params[name][role])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "batch_size", "units"),
    [(149, "auto", 7), pytest.param(500, 64, 9, marks=pytest.mark.long)],
)
def test_folds_of_a_cross_validation_compile_nothing(compilations, n, batch_size, units):
    x = np.random.default_rng(n).normal(size=(n, 3))
    y = x[:, 0] + 0.3 * x[:, 1] ** 2
    network, counted = bnn.networks.mlp((3, units, 1)), []  # no other case's programs
    for fold, (train, test) in enumerate(KFold(3).split(x)):
        with pm.Model() as model:
            out = bnn.bayesian(network, pm.Data("x", x[train]))
            pm.Normal("y", out[:, 0], pm.HalfNormal("noise"), observed=y[train])
        steps, rate = 5 + fold, 0.01 / (1 + fold)
        options = {"steps": steps, "learning_rate": rate, "random_seed": fold}
        fitted = bnn.fit(model, batch_size=batch_size, progressbar=False, **options)
        fitted.elbo(2)
        fitted.predict({"x": x[test]}, draws=2)
        fitted.nll({"x": x[test], "y": y[test]}, draws=2)
        counted.append(compilations())
    assert counted[0] > 0
    assert counted[1:] == [0, 0]


def test_another_seed_and_other_data_of_the_same_shapes_compile_nothing(compilations):
    use(*network_model(seed=1))
    compilations()
    other = use(*network_model(seed=2), seed=7)
    assert compilations() == 0
    # The executable is shared, the data are not.
    used = {d.name: d.value for d in other.problem.terms.data}["x"]
    assert np.allclose(used, network_model(seed=2)[1])


def test_another_weight_of_the_kl_compiles_nothing(compilations):
    model, x = network_model(seed=3)
    plain = use(model, x)
    compilations()
    cold = use(model, x, kl_weight=0.5)
    assert compilations() == 0
    assert not np.array_equal(plain.params["dense1_W"]["loc"], cold.params["dense1_W"]["loc"])


@pytest.mark.parametrize("change", [{"optimizer": optax.sgd(0.1)}, {"estimator": "flipout"}])
def test_another_fit_is_another_program(compilations, change):
    model, x = network_model(seed=3)
    plain = use(model, x)
    compilations()
    changed = use(model, x, **change)
    assert compilations() > 0
    assert not np.array_equal(plain.params["dense1_W"]["loc"], changed.params["dense1_W"]["loc"])


def test_constants_are_part_of_the_program(compilations):
    """Two functions with the same text but for an array that they close over."""
    ones = jnp.ones(3)
    results = [Compiled(lambda x, a=a: x * a)(ones) for a in (np.arange(3.0), np.arange(3.0) + 1)]
    assert np.array_equal(results[1] - results[0], ones)


def test_functions_of_different_arguments_are_different_programs():
    assert Compiled(lambda a, b: 2 * a)(np.float32(1), np.float32(10)) == 2
    assert Compiled(lambda a, b: 2 * b)(np.float32(1), np.float32(10)) == 20


def test_shapes_types_and_precision_each_have_their_own_program():
    square = Compiled(lambda x: x * x)
    assert square(np.float32(3)) == 9
    assert square(np.arange(3, dtype=np.int32)).dtype == np.int32
    for wide in (True, False):
        with jax.enable_x64(wide):
            assert square(np.float64(3)).dtype == (np.float64 if wide else np.float32)


def test_what_was_donated_is_used_up():
    x = jnp.zeros(1000)
    Compiled(lambda x: x + 1, donate_argnums=0)(x)
    assert x.is_deleted()


@pytest.mark.long
def test_old_programs_make_room(compilations):
    def ask(i):
        assert float(Compiled(lambda x: 2 * x + i)(np.float32(1))) == 2 + i
        return compilations()

    for i in range(140):
        assert ask(i) == 1
    assert ask(139) == ask(100) == 0
    assert ask(0) == 1


OURS = {"begin", "run", "evaluate", "forward", "function", "vote", "<lambda>"}
KINDS = [
    pytest.param({"guide": bnn.guides.LowRank(2), "members": 2}, marks=pytest.mark.long),
    {"guide": bnn.guides.Delta(), "optimizer": optax.sgd(optax.linear_schedule(0.1, 0.01, 9))},
]


@pytest.mark.parametrize("options", KINDS)
def test_another_size_compiles_programs_of_ours_only(options, caplog):
    """JAX compiles its own functions for each shape that they are called with, and keeps them."""

    def fit(columns):
        x = np.random.default_rng(columns).normal(size=(50 + columns, columns))
        with pm.Model() as model:
            w = pm.Normal("w", 0, 1, shape=columns)
            pm.Normal("y", pm.Data("x", x) @ w, pm.HalfNormal("s"), observed=x.sum(axis=1))
        fitted = use(model, x, **options)
        fitted.sample(3, random_seed=1)
        fitted.summary()
        fitted.resume(3, progressbar=False)

    fit(3)  # what has one shape in all
    with jax.log_compiles(), caplog.at_level("WARNING", "jax"):
        fit(4)
    names = set(re.findall(r"Compiling jit\((\S+)\)", caplog.text))
    assert names >= {"run", "forward"}
    assert names <= OURS


def test_an_optimiser_may_look_at_the_numbers_it_begins_with():
    """No program can be made of what Python decides by values."""
    seen = []

    def init(params):
        seen.append(float(sum(abs(leaf).sum() for leaf in jax.tree.leaves(params))))
        return plain.init(params)

    plain = optax.adam(0.01)
    own = optax.GradientTransformation(init, plain.update)
    found = [bnn.fit(conjugate(), steps=9, optimizer=o, **QUIET) for o in (own, plain)]
    assert seen
    for name in found[0].params:
        assert np.array_equal(found[0].params[name]["loc"], found[1].params[name]["loc"])


CODE = """
import sys, jax, numpy as np, pymc as pm, pymc_bnn as bnn
events = []
jax.monitoring.register_event_listener(lambda name, **_: events.append(name))
bnn.compilation_cache(sys.argv[1])
with pm.Model() as model:
    pm.Normal("y", pm.Normal("mu"), observed=np.zeros(9))
fitted = bnn.fit(model, steps=5, random_seed=1, progressbar=False)
print(sum("cache_hits" in e for e in events), sum("cache_misses" in e for e in events))
print(float(fitted.mean["mu"]))
"""


@pytest.mark.slow
def test_the_next_process_starts_warm(tmp_path):
    runs = [
        subprocess.run(
            [sys.executable, "-c", CODE, str(tmp_path / "cache")],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout.split()
        for _ in range(2)
    ]
    assert int(runs[0][1]) > 0
    assert int(runs[1][0]) > 0
    assert int(runs[1][1]) == 0
    assert runs[0][2] == runs[1][2]


def test_cache_folder_must_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match=r"`folder` must be a folder that can be written"):
        bnn.compilation_cache(tmp_path / "file")


@pytest.mark.long
def test_nothing_of_a_fit_outlives_it():
    def left():
        for _ in range(3):  # what one collection lets go of in JAX's caches is the next one's
            gc.collect()
        kinds = Counter(type(each).__name__ for each in gc.get_objects())
        return len(jax.live_arrays()), kinds["Module"], kinds["JaxprEqn"]

    def use():
        fitted = bnn.fit(conjugate(), steps=3, batch_size=20, **QUIET)
        fitted.elbo(draws=2)
        fitted.predict({"x": X[:3]}, draws=2, random_seed=0)

    use()
    before = left()
    use()
    assert left() == before
