"""Small tensors worked on together give what each by itself gives, and so do their gradients."""

from collections import OrderedDict

import jax
import numpy as np
import pymc as pm
import pytensor.tensor as pt
import pytest
from pytensor.graph.fg import FunctionGraph
from pytensor.tensor.elemwise import Elemwise

import pymc_bnn as bnn
from pymc_bnn.graphs import to_jax
from pymc_bnn.graphs.barriers import Barrier, set_barriers
from pymc_bnn.graphs.together import products_together, take_apart, work_together
from pymc_bnn.runtime.precision import precision

N = 9
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(30, N))


def line(x):
    return [sum(v * ROWS[:, j] for j, v in enumerate(x)) + 3.0]


def one_twice_and_another_order(x):
    first = [pt.exp(v) for v in x]
    return [pt.stack([v * first[0] + w for v, w in zip(first, first[::-1], strict=True)])]


def of_each_its_constant(x):
    return [pt.stack([pt.switch(v > j / N, v**2, j - v) for j, v in enumerate(x)]), x[3]]


def vectors(x):
    parts = [pt.concatenate([v[None], 2 * v[None], x[0][None]]) for v in x]
    return [pt.stack([(p.exp() / p.sum()).max() + pt.prod(p) for p in parts[::-1]])]


def some_and_others(x):
    return [pt.stack([*(pt.sqr(v) for v in x), x[0], pt.tanh(x[1])]).sum(), pt.tanh(x[2])]


def integers(x):
    count = [pt.gt(v, 0).astype("int64") for v in x]
    return [pt.add(*count) * x[0], pt.any(pt.stack([pt.eq(c, 1) for c in count]))]


def products_of_several(x):
    return [sum(x[j] * x[j - 1] * ROWS[:, j] * ROWS[:, 0] for j in range(N)) + ROWS[:, 1] ** 2]


def sums(x):
    parts = [pt.stack([v, x[0], 2 * v]) for v in x]
    total = pt.stack([p.sum() + (p**2).sum(axis=-1, keepdims=True)[0] for p in parts])
    return [total, pt.stack([pt.gt(p, 0).sum() for p in parts])]


def the_same_again(x):
    drawn = [pt.exp(v) for v in x]
    line = sum(drawn[2] * ROWS[:, j] for j in range(N))
    return [line, pt.stack([drawn[1]] * N), pt.stack([v + 1 for v in [drawn[0]] * N])]


def rows_and_columns(x):
    a, b = pt.stack(x[:3]), pt.stack(x[3:])
    return [sum(a[j % 3] * pt.outer(pt.constant(ROWS[:, j]), b) for j in range(N))]


@pytest.mark.parametrize(
    "function",
    [
        line,
        one_twice_and_another_order,
        of_each_its_constant,
        vectors,
        some_and_others,
        integers,
        products_of_several,
        rows_and_columns,
        the_same_again,
        sums,
    ],
)
@pytest.mark.parametrize("few", [2, 8])
def test_values_and_gradients_stay(function, few, monkeypatch):
    x = pt.dscalars(N)
    found = []
    for apart in (False, True):
        monkeypatch.setattr("pymc_bnn.graphs.together._FEW", 10**6 if apart else few)
        monkeypatch.setattr("pymc_bnn.graphs.barriers._BRANCHES", 10**6 if apart else 1)
        monkeypatch.setattr(to_jax, "_known", OrderedDict())
        own = to_jax.jaxify(x, function(x), "float64")
        with precision("float64"):
            at = np.linspace(-1, 1, N)

            def total(values, own=own):
                return sum((k + 1.0) * (o * 1.0).sum() for k, o in enumerate(own(*values)))

            found.append([*own(*at), *jax.grad(total)(list(at))])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_operations_do_not_grow_with_their_number():
    """A model of scalars: what is compiled is as long for 12 of them as for 40."""

    def nodes(n):
        x, loc, scale = (pt.dscalars(n) for _ in range(3))
        drawn = [m + pt.exp(s) * v for m, s, v in zip(loc, scale, x, strict=True)]
        mu = pt.add(*(b * ROWS[:, j % N] for j, b in enumerate(drawn)))
        divergence = pt.stack(
            [0.5 * (pt.sqr(m) + pt.exp(2 * s)) - s for m, s in zip(loc, scale, strict=True)]
        )
        graph = FunctionGraph([*x, *loc, *scale], [pt.sqr(mu).sum(), divergence], clone=True)
        to_jax.JAX.optimizer.rewrite(graph)
        work_together(graph)
        products_together(graph)
        set_barriers(graph)
        return sum(isinstance(node.op, Elemwise) for node in graph.apply_nodes)

    assert nodes(12) == nodes(40)


@pytest.mark.parametrize("cast", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool"])
def test_columns_that_come_as_a_table_are_one_product(dtype, cast):
    def nodes(n):
        b, x = pt.dscalars(n), [pt.TensorType(dtype, (None,))() for _ in range(n)]
        columns = [column.astype("float64") if cast else column for column in x]
        mu = sum(m * column for m, column in zip(b, columns, strict=True))
        inputs, outputs = take_apart([tuple(b), tuple(x)], [pt.sqr(mu).sum()])
        graph = FunctionGraph(inputs, outputs, clone=True)
        to_jax.JAX.optimizer.rewrite(graph)
        work_together(graph)
        products_together(graph)
        return [str(node.op) for node in graph.toposort()]

    assert len(nodes(12)) == len(nodes(40)) < 10
    assert sum("Dot" in op for op in nodes(12)) == 1


def test_a_barrier_stands_where_gradients_branch_off():
    b, x = pt.dscalars(20), pt.dvectors(20)
    total = pt.add(*(m + n**m for m, n in zip(b, x, strict=True)))  # no products
    graph = FunctionGraph([*b, *x], [pt.exp(total), pt.sqr(b[0])], clone=True)
    set_barriers(graph)
    [barrier] = [node for node in graph.apply_nodes if isinstance(node.op, Barrier)]
    assert barrier.inputs[0].owner.op == pt.add


def test_a_model_of_scalars_is_that_of_a_vector():
    """Twelve named scalars end at the exact posterior, which a product with a vector has."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 12))
    y = x @ np.linspace(-1, 1, 12) + 0.5 * rng.normal(size=200)
    with pm.Model() as scalars:
        mu = sum(pm.Normal(f"b{j}", 0, 1 + (j == 3)) * x[:, j] for j in range(12))
        pm.Normal("y", mu, 0.5, observed=y)
    fitted = bnn.fit(scalars, random_seed=1, progressbar=False)
    precision_ = x.T @ x / 0.25 + np.diag([1.0 if j != 3 else 0.25 for j in range(12)])
    exact = np.linalg.solve(precision_, x.T @ y / 0.25)
    means = np.array([float(fitted.mean[f"b{j}"]) for j in range(12)])
    stds = np.array([float(fitted.std[f"b{j}"]) for j in range(12)])
    np.testing.assert_allclose(means, exact, atol=0.01)
    np.testing.assert_allclose(stds, 1 / np.sqrt(np.diag(precision_)), rtol=0.12)
