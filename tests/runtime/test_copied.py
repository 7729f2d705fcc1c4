"""What is put on a device is a copy, of which programs may use the memory up."""

import jax
import numpy as np
import pytest

from pymc_bnn.runtime.precision import precision
from pymc_bnn.runtime.sharding import copied, mesh_of, replicate

PUTS = {
    "copied": copied,
    "replicate": lambda a: replicate(a, None),
    "on a mesh": lambda a: replicate(a, mesh_of(1)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("put", PUTS)
def test_memory_of_numpy_may_be_written_to_at_once(put, dtype):
    """So often that a race would be lost: ``jax.device_put`` reads it some time later."""
    with precision(dtype):
        for size in (3, 1000, 100_000):
            for _ in range(50):
                numbers = np.zeros(size, dtype)
                there = PUTS[put](numbers)
                numbers += 1
                assert not np.asarray(there).any()


def test_copies_of_what_is_there_are_elsewhere(compilations):
    one = copied({"w": np.arange(7.0), "n": 3})
    compilations()
    other = copied(one)
    assert compilations() == 0
    at = [copy["w"].unsafe_buffer_pointer() for copy in (one, other)]
    assert at[0] != at[1]
    assert one["n"].weak_type  # a number of Python gives way to others
    jax.tree.map(np.testing.assert_array_equal, one, other)
