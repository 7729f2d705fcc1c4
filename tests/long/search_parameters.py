"""Search for parameters outside their support that are not named, or are where all is well.

Run ``python tests/long/search_parameters.py 3000``: so many random laws, links and
points against PyMC's own log-density, and as many random graphs against their intervals.
"""

import os
import sys
from pathlib import Path

examples = sys.argv[1] if len(sys.argv) > 1 else "3000"
os.environ["SEARCH_EXAMPLES"] = examples
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.model import test_intervals, test_support  # noqa: E402

for search in (
    test_support.test_conditions_are_broken_where_pymcs_log_density_is,
    test_intervals.test_numbers_lie_in_their_interval,
):
    search()
    print(f"{search.__name__}: {examples} examples")
