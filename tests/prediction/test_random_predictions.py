"""A few random models; `tests/long/search_predictions.py` tries as many as wanted."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.support.random_predictions import cases, check


@pytest.mark.slow
@settings(max_examples=3, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cases())
def test_predictions_of_random_models(case):
    check(case)
