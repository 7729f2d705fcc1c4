"""The examples say what they take, and refuse what they cannot write to.

Run, small, they are in ``tests/long/examples.py``.
"""

import pytest

from tests.support.example_parts import EXAMPLES, run_here


def test_a_folder_that_cannot_be_made_fails_before_the_fit(tmp_path):
    (tmp_path / "file").touch()
    done = run_here("digits.py", "--quick", "--out", tmp_path / "file" / "below")
    assert done.returncode != 0
    assert "`folder` must be a folder that can be written to" in done.stderr


@pytest.mark.parametrize("script", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_every_example_says_what_it_takes(script):
    """Those that no test here runs: python tests/long/examples.py."""
    done = run_here(script, "--help")
    assert done.returncode == 0, done.stderr
    assert "--out" in done.stdout
