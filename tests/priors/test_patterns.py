"""Which parameter gets which prior, by patterns of names."""

import pytest

from pymc_bnn.priors import FanIn, HalfNormal, Normal, assign
from tests.support.prior_parts import SHAPES


def test_the_first_matching_pattern_wins():
    one, two, three = Normal(0, 1), Normal(0, 2), Normal(0, 3)
    chosen = assign({"conv*": one, "*_b": two, "*": three}, [*SHAPES, "conv1_b"])
    assert chosen == {"conv1_W": one, "dense1_W": three, "dense1_b": two, "conv1_b": one}
    assert assign({"*_W": one, "*_b": two, "*": three}, list(SHAPES))["dense1_W"] == one


@pytest.mark.parametrize(
    ("prior", "error", "message"),
    [
        ({"*_W": Normal()}, ValueError, "`prior` must have a pattern for every .*'dense1_b'"),
        (
            {"dense9*": Normal(), "*": Normal()},
            ValueError,
            "`prior` must have patterns that match .*conv1_W, dense1_W, dense1_b, got 'dense9",
        ),
        (
            {"*": Normal(), "conv*": Normal()},
            ValueError,
            "`prior` must have each pattern win .*'conv",
        ),
        ({"*": 1.0}, TypeError, r"`prior\['\*'\]` must be a prior.* got 1.0"),
        ({3: Normal()}, TypeError, "`prior` must have strings as keys, got 3"),
        (1.0, TypeError, "`prior` must be a prior, or a dict .* got 1.0"),
        (Normal, TypeError, r"`prior` must be a prior.*create one, as in Normal\(\)"),
        (FanIn(2.0), TypeError, r"`prior` must be a prior.*pass Normal\(sigma=FanIn\(scale=2.0"),
        (HalfNormal(1.0, per="layer"), ValueError, "`prior` must have a number per weight, got p"),
    ],
)
def test_bad_assignments(prior, error, message):
    with pytest.raises(error, match=message):
        assign(prior, list(SHAPES))
