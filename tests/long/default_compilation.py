"""PyMC's own engines on networks, by PyTensor's default compiler, which takes long.

``python tests/long/default_compilation.py``: what tests/contracts/test_pymc_engines.py does by JAX.
"""

import sys
from pathlib import Path

import pymc as pm

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.contracts.test_pymc_engines import check_logits, make_data, make_model

QUIET = {"progressbar": False, "random_seed": 1}


def engines(kind):
    with make_model(kind):
        prior = pm.sample_prior_predictive(3, random_seed=1)
        check_logits(kind, make_data()[0], prior.prior.dataset, prior.prior["logits"])
        chains = {"chains": 1, "cores": 1, "compute_convergence_checks": False}
        drawn = pm.sample(5, tune=5, **chains, **QUIET)
        check_logits(kind, make_data()[0], drawn.posterior.dataset, drawn.posterior["logits"])
        predicted = pm.sample_posterior_predictive(drawn, var_names=["y"], **QUIET)
        assert predicted.posterior_predictive["y"].shape == (1, 5, 30)


if __name__ == "__main__":
    for kind in ("dense", "conv"):
        engines(kind)
        print(f"{kind}: as it should be", flush=True)
