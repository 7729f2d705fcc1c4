"""Look for indices that are checked wrongly: ``python tests/long/indices.py [examples]``."""

import sys
from pathlib import Path

from hypothesis import given, settings

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.model import test_ranges

if __name__ == "__main__":
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 3000

    @settings(max_examples=examples, deadline=None, database=None)
    @given(**test_ranges.ARGUMENTS)
    def search(**arguments):
        test_ranges.check_one(**arguments)

    search()
    print(f"{examples:,} models with integer indices: each refused or accepted as it should be")
