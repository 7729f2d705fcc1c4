"""The package as a whole: what it costs to import, and who may look at whom.

``python tests/contracts/test_package.py`` prints the table: files, circles, upward imports and long
files.
"""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support.imports import PACKAGE, circles, files, imports, room_of

LONGEST = 400  # lines of a file
# A file imports only from lower numbers and from its own room, annotations included.
ROOMS = {
    "_checks": 0, "_warnings": 0, "_habits": 0.1, "_frames": 0.1, "errors": 0.1,
    "uncertainty": 0.2, "datasets": 0.3, "plots": 0.3,
    "runtime": 1,
    "graphs": 2, "networks": 2, "saving": 2.1,
    "priors": 3,
    "model": 4,
    "bayesian_network": 4.5,
    "guides": 5, "data": 5,
    "elbo": 6,
    "posterior": 7,
    "inference": 8,
    "prediction": 9,
    "diagnostics": 10,
    "saved_fits": 10.4, "arviz_trees": 10.45, "result": 10.5, "refined": 10.6,
    "resuming": 10.9, "approximation": 11, "mixture": 11.05, "loading": 11.07, "callbacks": 11.1,
    "fit_task": 11.15, "choose_kl_weight": 11.17,
    "fitting": 11.2, "efficiency": 11.3, "simulation_based": 11.3, "model_table": 11.3,
    "pruning": 11.3, "prior_check": 11.3, "k_fold_validation": 11.3, "report": 11.4,
    "sklearn": 11.5,
}  # fmt: skip


def upward(file: str) -> set[str]:
    """Return the imported files that do not lie below the file."""
    room = room_of(file)
    others = (other for other in imports(file) if room_of(other) != room)
    return {other for other in others if ROOMS[room_of(other)] >= ROOMS[room]}


def length(file: str) -> int:
    return len((PACKAGE / file).read_text().splitlines())


def table() -> str:
    """Return what there is to count."""
    rings, above = circles(), {file: upward(file) for file in files()}
    long = [f"{file} ({length(file)})" for file in files() if length(file) > LONGEST]
    rows = [
        f"files                      {len(files()) + 1}",
        f"circles                    {len(rings)}",
        *("    " + " ".join(ring) for ring in rings),
        f"upward imports             {sum(map(len, above.values()))}",
        *(f"    {file} ← {', '.join(sorted(others))}" for file, others in above.items() if others),
        f"files over {LONGEST} lines       {len(long)}",
        *(f"    {each}" for each in long),
    ]
    return "\n".join(rows)


# Rooms -------------------------------------------------------------------------------------------


def test_every_room_has_a_level():
    assert {room_of(file) for file in files()} == set(ROOMS)


@pytest.mark.parametrize("file", files())
def test_imports_point_downwards(file):
    assert not upward(file)


def test_no_circles():
    assert not circles()


def test_no_long_files():
    found = {file for file in files() if length(file) > LONGEST}
    assert not found


@pytest.mark.parametrize("file", files())
def test_engines_know_nothing_of_networks(file):
    special = {"networks", "priors", "bayesian_network", "sklearn"}
    if room_of(file) not in special:
        assert not {other for other in imports(file) if room_of(other) in special}


@pytest.mark.parametrize("file", [f for f in files() if ROOMS[room_of(f)] < 1])
def test_numbers_and_pictures_need_neither_pymc_nor_jax(file):
    modules = {
        name.split(".")[0]
        for node in ast.walk(files()[file])
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
        )
    }
    assert not modules & {"pymc", "pytensor", "pytensor_ml", "jax", "optax"}
    assert room_of(file) == "plots" or "matplotlib" not in modules


# Imports -----------------------------------------------------------------------------------------


def run(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_import_is_lazy_and_uncertainty_stands_alone():
    run(
        "import sys, pymc_bnn; assert 'fit' in dir(pymc_bnn);"
        "pymc_bnn.uncertainty; pymc_bnn.datasets;"
        "heavy = {'pymc', 'jax', 'pytensor', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )


def test_functions_are_not_hidden_by_the_files_that_hold_them():
    run(
        "import pymc_bnn as bnn, pymc_bnn.fitting, pymc_bnn.bayesian_network as b;"
        "import pymc_bnn.networks.mlp, pymc_bnn.networks.convnet, pymc_bnn.priors.from_posterior;"
        "assert callable(bnn.fit) and callable(bnn.bayesian);"
        "assert callable(bnn.networks.mlp) and callable(bnn.networks.convnet);"
        "assert callable(bnn.priors.from_posterior);"
        "from pymc_bnn import fit, bayesian; assert fit is bnn.fit and bayesian is b.bayesian"
    )


def test_all_names_exist_and_unknown_ones_do_not():
    import pymc_bnn

    for name in pymc_bnn.__all__:
        assert getattr(pymc_bnn, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pymc_bnn.nothing


def test_version_and_typing_marker():
    import pymc_bnn

    assert version("pymc_bnn") == pymc_bnn.__version__
    assert (PACKAGE / "py.typed").exists()


if __name__ == "__main__":
    print(table())
