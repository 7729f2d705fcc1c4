"""The room imports only what lies below it, and its files stand in no circle."""

import pytest

from tests.support.imports import circles, files, imports, room_of

BELOW = {
    "_checks",
    "_warnings",
    "errors",
    "_frames",
    "runtime",
    "graphs",
    "networks",
    "priors",
    "saving",
}
OWN = [file for file in files() if room_of(file) == "model"]


def test_files_stand_in_no_circle():
    assert not [group for group in circles() if set(group) & set(OWN)]


@pytest.mark.parametrize("file", OWN)
def test_a_file_imports_only_what_lies_below(file):
    assert {room_of(other) for other in imports(file)} <= BELOW | {"model"}
