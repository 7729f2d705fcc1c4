"""Computing in a fit's precision."""

import jax
import pytest

from pymc_bnn.runtime.precision import precision


class Interrupted:
    """As if Ctrl-C was pressed while JAX compares two keys."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        raise KeyboardInterrupt


def test_ctrl_c_within_a_look_up_of_jax_is_one():
    same = jax.jit(lambda key, x: x, static_argnums=0)
    with precision("float32"):
        same(Interrupted(), 1.0)
    with pytest.raises(ValueError, match="should be comparable"), jax.enable_x64(False):
        same(Interrupted(), 1.0)  # what JAX makes of it
    with pytest.raises(KeyboardInterrupt), precision("float32"):
        same(Interrupted(), 1.0)


def test_other_errors_stay():
    with pytest.raises(ValueError, match=r"^of mine$"), precision("float32"):
        raise ValueError("of mine")
