"""Sixty random small models, whole and in batches, against PyMC's log-density in float64."""

from hypothesis import HealthCheck, given, settings

from tests.support.random_models import check, specs


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(specs())
def test_random_models_have_pymcs_numbers(spec):
    check(spec)
