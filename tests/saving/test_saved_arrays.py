"""Arrays come back from a file bit by bit, and trees of them in the structure of a template."""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pymc_bnn.errors import DamagedError
from pymc_bnn.inference.optimizer import adam
from pymc_bnn.inference.state import State
from pymc_bnn.saving.arrays import flat_of, read_arrays, tree_of, write_arrays

TYPES = [
    *(["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]),
    *(["float16", "float32", "float64", "complex64", "complex128"]),
    *(ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.int4),
]


def same(a, b):
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (2, 3)])
def test_every_type_and_shape(tmp_path, dtype, shape):
    numbers = np.random.default_rng(0).integers(0, 2, shape)
    arrays = {"a": numbers.astype(dtype), "turned": numbers.astype(dtype).T}
    write_arrays(tmp_path / "a", arrays)
    found = read_arrays(tmp_path / "a")
    assert all(
        same(found[name], np.ascontiguousarray(a).reshape(a.shape)) for name, a in arrays.items()
    )


SHAPES = hnp.array_shapes(min_dims=0, min_side=0)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        hnp.arrays(st.sampled_from(["<f4", ">f8", "u1", "c8", "?"]), SHAPES),
        max_size=4,
    )
)  # fmt: skip
def test_any_names_and_numbers(tmp_path_factory, arrays):
    file = tmp_path_factory.mktemp("any") / "a"
    write_arrays(file, arrays)
    found = read_arrays(file)
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert same(found[name], array.astype(array.dtype.newbyteorder("=")))


@pytest.mark.parametrize(
    "what", [np.array(["text"]), np.array([object()]), np.array("2020", "M8[s]")]
)
def test_what_is_no_number_is_not_written(tmp_path, what):
    with pytest.raises(ValueError, match="`arrays` must hold numbers by names"):
        write_arrays(tmp_path / "a", {"w": what})
    assert not (tmp_path / "a").exists()


def test_files_of_others_are_refused(tmp_path):
    file = tmp_path / "a"
    write_arrays(file, {"w": np.arange(100.0), "c": np.ones(3, "complex128")})
    whole = file.read_bytes()
    for cut in range(0, len(whole), 97):
        file.write_bytes(whole[:cut])
        with pytest.raises(DamagedError, match="must hold arrays as they were saved"):
            read_arrays(file)
    for other in (b"", b"PK\3\4", b"\xff" * 64, (2**60).to_bytes(8, "little") + b"{}"):
        file.write_bytes(other)
        with pytest.raises(DamagedError):
            read_arrays(file)
    for metadata in (
        '[[["',
        "[1]",
        '{"w": "object"}',
        '{"w": "float64"}',
        '{"none": "int4"}',
        "[" * 9999,
    ):
        from safetensors.numpy import save_file

        save_file({"w": np.zeros((3, 5), "uint8")}, file, metadata={"dtypes": metadata})
        if metadata != "[1]":
            with pytest.raises(DamagedError):
                read_arrays(file)


def state(dtype="float32", width=3):
    params = {
        "net::dense1/W": {role: jnp.ones((2, width), dtype) for role in ("loc", "log_scale")},
        "%2F": {"loc": jnp.zeros((0, 4), dtype)},
        "*": {"loc mu": jnp.float32(3), "entries": jnp.arange(3)},
    }  # fmt: skip
    return State(params, adam(10).init(params), jax.random.key(5), jnp.int32(7))


def test_states_come_back_as_they_were(tmp_path):
    before = state()
    write_arrays(tmp_path / "a", flat_of(before, "state") | {"metrics/nll": np.zeros(4)})
    found = read_arrays(tmp_path / "a")
    after = tree_of(jax.tree.map(jnp.zeros_like, state()), found, "state")
    assert jax.tree.structure(after) == jax.tree.structure(before)
    assert all(
        same(a, b) for a, b in zip(*(flat_of(s).values() for s in (before, after)), strict=True)
    )
    drawn = [jax.random.normal(s.key, 3).tolist() for s in (before, after)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.chain(optax.clip(1.0), optax.adamw(1e-3)),
        optax.MultiSteps(optax.sgd(0.1, momentum=0.9), 3).gradient_transformation(),
        optax.inject_hyperparams(optax.adam)(learning_rate=optax.cosine_decay_schedule(0.1, 9)),
        optax.partition({"a": optax.lion(0.1), "b": optax.set_to_zero()}, {"x": "a", "y": "b"}),
        optax.add_noise(0.1, 0.5, jax.random.key(3)),
    ],
)  # fmt: skip
def test_states_of_other_optimisers(optimizer):
    params = {"x": {"loc": jnp.ones(3)}, "y": {"loc": jnp.ones(2)}}
    before = optimizer.init(params)
    after = tree_of(before, flat_of(before))
    assert jax.tree.structure(after) == jax.tree.structure(before)
    assert all(
        same(a, b) for a, b in zip(flat_of(before).values(), flat_of(after).values(), strict=True)
    )


def test_templates_may_be_shapes_only():
    shapes = jax.eval_shape(state)
    assert flat_of(tree_of(shapes, flat_of(state()))).keys() == flat_of(state()).keys()


def test_differences_are_listed_in_one_error():
    found = flat_of(state(), "state")
    found.pop("state/key")
    found["state/params/more"] = np.zeros(1)
    with pytest.raises(
        ValueError, match="`checkpoint` must hold what belongs to this model"
    ) as error:
        tree_of(state("float16", 5), found, "state", argument="checkpoint", what="a state")
    text = str(error.value)
    assert "'state/key' is missing" in text
    assert "'state/params/more' is not in the model" in text
    assert "'state/params/net::dense1%2FW/loc' is float32 (2, 3), and not float16 (2, 5)" in text
    assert len(text) < 1200


def test_two_arrays_of_one_name():
    with pytest.raises(ValueError, match="name of its own for each array, got 'a/1' twice"):
        flat_of({"a": {1: np.zeros(1)}, "a/1": 0.0} | {"a": [0.0, 1.0, {}]} | {"a": Twice()})


@jax.tree_util.register_pytree_with_keys_class
class Twice:
    def tree_flatten_with_keys(self):
        key = jax.tree_util.DictKey("1")
        return ((key, 1.0), (jax.tree_util.SequenceKey(1), 2.0)), None

    @classmethod
    def tree_unflatten(cls, aux, children):
        return cls()
