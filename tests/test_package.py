"""The package as a whole: what it costs to import, and who may look at whom."""

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import pymc_bnn

PACKAGE = Path(pymc_bnn.__file__).parent
# A file imports only from lower numbers.
LEVELS = {
    "_checks": 0, "_frames": 0, "uncertainty": 0.5, "datasets": 0, "convolutions": 0, "errors": 0,
    "interrupts": 0, "start_values": 0.5,
    "networks": 1, "priors": 1, "to_jax": 1, "noise": 1, "dropout": 1, "compilation": 1,
    "devices": 1, "schedules": 1, "model": 1.5, "sites": 1.5,
    "decompose": 2, "prediction": 2.5, "masks": 2, "bayesian_network": 2,
    "guides": 3, "elbo": 4,
    "batches": 4, "predict": 4, "starting": 4, "optimizer": 4, "diagnostics": 4, "constrained": 4,
    "passes": 4.5, "loop": 5, "callbacks": 5, "rows": 5, "forms": 5.5, "streams": 6,
    "full_elbo": 7, "stores": 7,
    "approximation": 8,
    "fitting": 9, "efficiency": 9,
    "plots": 10, "report": 11,
}  # fmt: skip
ANY_MODEL = {
    "to_jax", "decompose", "guides", "elbo", "batches", "starting", "rows", "loop", "fitting",
    "predict", "prediction", "model", "compilation", "devices", "forms", "streams", "stores",
    "constrained",
    "full_elbo", "errors", "interrupts", "schedules", "passes",
}  # fmt: skip


def imported(module):
    """Names of the package's files that a file imports, those under TYPE_CHECKING left out."""
    path = PACKAGE / module
    files = path.glob("*.py") if path.is_dir() else [path.with_suffix(".py")]
    found = set()
    for file in files:
        tree = ast.parse(file.read_text())
        typing_only = {
            id(child)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for child in ast.walk(node)
        }
        for node in ast.walk(tree):
            if id(node) in typing_only or not isinstance(node, ast.ImportFrom) or not node.module:
                continue
            first, *rest = node.module.split(".")
            if first == "pymc_bnn":
                found |= {rest[0]} if rest else {alias.name for alias in node.names}
    return found - {module}


def test_every_file_has_a_level():
    names = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert names - {"__init__", "__pycache__"} == set(LEVELS)


@pytest.mark.parametrize("module", LEVELS)
def test_imports_point_downwards(module):
    for other in imported(module):
        below = LEVELS[other] < LEVELS[module]
        assert below or (LEVELS[other] == LEVELS[module] == 0 and other == "_checks"), other


@pytest.mark.parametrize("module", sorted(ANY_MODEL))
def test_engines_know_nothing_of_networks(module):
    assert not imported(module) & {"networks", "priors", "bayesian_network"}


def test_import_is_lazy_and_uncertainty_stands_alone():
    code = (
        "import sys, pymc_bnn; assert 'fit' in dir(pymc_bnn);"
        "pymc_bnn.uncertainty; pymc_bnn.datasets;"
        "heavy = {'pymc', 'jax', 'pytensor', 'matplotlib'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_functions_are_not_hidden_by_the_files_that_hold_them():
    code = (
        "import pymc_bnn as bnn, pymc_bnn.fitting, pymc_bnn.bayesian_network as b;"
        "assert callable(bnn.fit) and callable(bnn.bayesian);"
        "from pymc_bnn import fit, bayesian; assert fit is bnn.fit and bayesian is b.bayesian"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_all_names_exist_and_unknown_ones_do_not():
    for name in pymc_bnn.__all__:
        assert getattr(pymc_bnn, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pymc_bnn.nothing


def test_version_and_typing_marker():
    assert version("pymc_bnn") == pymc_bnn.__version__
    assert (PACKAGE / "py.typed").exists()
