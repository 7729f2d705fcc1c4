"""Posteriors as priors: found by name, or refused."""

from types import SimpleNamespace

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from pymc_bnn import networks
from pymc_bnn.bayesian_network import bayesian
from pymc_bnn.priors import Normal, from_posterior
from tests.support.prior_parts import DIMS, FITTED, MOMENTS, SHAPES, make_model, make_sites


def test_a_posterior_is_found_by_the_name_in_the_model():
    moments = xr.Dataset(
        {f"net_{n}": (DIMS[n], np.full(SHAPES[n], 2.0)) for n in SHAPES} | {"tau": ((), 0.0)}
    )
    prior = from_posterior(SimpleNamespace(mean=moments, std=moments))
    assert (make_model(prior, make_sites("net_")).initial_point()["net_conv1_W"] == 2.0).all()
    plain = from_posterior(FITTED)  # also where the new network has a prefix and the old none
    with pm.Model() as model:
        x = np.ones((2, 4, 4, 1))
        network = networks.convnet((4, 4, 1), 3, 2, kernel_size=3, dense=None)
        bayesian(network, x, {"*_W": plain, "*": Normal()}, name="again")
    assert np.array_equal(model.initial_point()["again_dense1_W"], MOMENTS["dense1_W"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"mean": {"a": np.ones(2)}, "std": {"a": np.ones(2)}},
            "`fitted` must hold 'conv1_W', got a; give this parameter another prior",
        ),
        (
            {"mean": {"conv1_W": np.ones(2)}, "std": {"conv1_W": np.ones(2)}},
            r"`fitted` must hold 'conv1_W' of shape \(2, 2, 3, 4\), got shape \(2,\)",
        ),
        (
            {"mean": {"conv1_W": np.ones(SHAPES["conv1_W"])}, "std": {"conv1_W": np.zeros(48)}},
            "`fitted` must hold 'conv1_W' of shape",
        ),
        (
            {
                "mean": {"conv1_W": np.ones(SHAPES["conv1_W"])},
                "std": {"conv1_W": np.zeros(SHAPES["conv1_W"])},
            },
            "`fitted` must have finite means and positive standard deviations of 'conv1_W', got 48",
        ),
    ],
)
def test_posteriors_that_do_not_fit(change, message):
    with pytest.raises(ValueError, match=message):
        make_model(from_posterior(SimpleNamespace(**change)))


def test_objects_that_are_no_fit():
    with pytest.raises(TypeError, match=r"`fitted` must have mappings.*'ndarray'"):
        from_posterior(np.zeros(3))
    uneven = SimpleNamespace(mean={"a": np.ones(2)}, std={})
    with pytest.raises(ValueError, match=r"same variables, got one without the other of \['a'\]"):
        from_posterior(uneven)
