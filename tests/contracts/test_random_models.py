"""Fifteen random small models, whole and in batches, against PyMC's log-density in float64."""

import random

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.random_models import check, random_spec, specs


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Every step uses all")
@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(specs())
def test_random_models_have_pymcs_numbers(spec):
    check(spec, steps=0, elbo=spec.choices["seed"] == 0, draws=25)


@pytest.mark.filterwarnings("ignore:Every step uses all")
@pytest.mark.parametrize("number", range(2))
def test_fits_of_random_models(number):
    """3,000 of them: python tests/long/random_models.py."""
    check(random_spec(random.Random(number).choice))
