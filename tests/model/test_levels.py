"""The room imports only what lies below it, and its files stand in no circle."""

import pytest

from tests.support.imports import circles, imports, room_of

BELOW = {"_checks", "errors", "_frames", "runtime", "graphs", "networks", "priors"}
GRAPH = {
    module: targets for module, targets in imports().items() if room_of(module) == "model"
}  # annotations under TYPE_CHECKING included


def test_files_stand_in_no_circle():
    own = {module: targets & set(GRAPH) for module, targets in GRAPH.items()}
    assert circles(own) == []


@pytest.mark.parametrize("module", GRAPH)
def test_a_file_imports_only_what_lies_below(module):
    assert {room_of(target) for target in GRAPH[module]} <= BELOW | {"model"}
