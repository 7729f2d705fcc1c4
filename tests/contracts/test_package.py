"""The package as a whole: what it costs to import, and who may look at whom.

``python tests/contracts/test_package.py`` prints the table: files, circles, upward imports and long
files.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "pymc_bnn"
LONGEST = 400  # lines of a file
# A file imports only from lower numbers and from its own room, annotations included.
ROOMS = {
    "_checks": 0, "_frames": 0.1, "errors": 0.1,
    "uncertainty": 0.2, "datasets": 0.3, "plots": 0.3,
    "runtime": 1,
    "graphs": 2, "networks": 2,
    "priors": 3,
    "model": 4,
    "bayesian_network": 4.5,
    "guides": 5, "data": 5,
    "elbo": 6,
    "posterior": 7,
    "inference": 8,
    "prediction": 9,
    "diagnostics": 10,
    "approximation": 11, "callbacks": 11.1, "fitting": 11.2, "efficiency": 11.3, "report": 11.4,
}  # fmt: skip


# The graph of the files --------------------------------------------------------------------------


@cache
def files() -> dict[str, ast.Module]:
    """Return the tree of each file, by its path in the package; the lazy root is left out."""
    found = {p.relative_to(PACKAGE).as_posix(): p for p in sorted(PACKAGE.rglob("*.py"))}
    return {name: ast.parse(p.read_text()) for name, p in found.items() if name != "__init__.py"}


def room_of(file: str) -> str:
    return file.split("/")[0].removesuffix(".py")


def file_of(module: str) -> str | None:
    """Return the file of a module, a path such as ``model/rows`` for one without the root."""
    return next((f for f in (f"{module}.py", f"{module}/__init__.py") if f in files()), None)


@cache
def bound(file: str) -> set[str]:
    """Names that a folder's ``__init__`` imports or defines itself."""
    names: set[str] = set()
    for node in ast.walk(files()[file]):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


@cache
def lazy_names() -> dict[str, str]:
    """Return the path of the module that holds each name of the lazy root."""
    root = ast.parse((PACKAGE / "__init__.py").read_text())
    found = next(
        node.value
        for node in root.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_NAMES"
    )
    return {name: module.replace(".", "/") for name, module in ast.literal_eval(found).items()}


def targets(importer: str, module: str, names: list[str]) -> Iterator[str]:
    """Yield the files that ``from module import names`` reads."""
    if not module:  # the lazy root
        assert names, f"{importer} imports the whole package"
        yield from filter(None, (file_of(lazy_names().get(name, name)) for name in names))
        return
    file = file_of(module)
    for name in names or [""]:
        inner = file_of(f"{module}/{name}") if name else None
        face = file is not None and file != importer and name in bound(file)
        found = file if inner is None or face else inner
        assert found is not None, f"{importer} imports {module}, which does not exist"
        yield found


@cache
def imports(file: str) -> frozenset[str]:
    """Return the package's files that a file imports anywhere, under TYPE_CHECKING, too."""
    found: set[str] = set()
    folder = ["pymc_bnn", *file.split("/")[:-1]]
    for node in ast.walk(files()[file]):
        if isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            if node.level:
                parts = [*folder[: len(folder) - node.level + 1], *parts]
            read = [(parts, [alias.name for alias in node.names])]
        elif isinstance(node, ast.Import):
            read = [(alias.name.split("."), []) for alias in node.names]
        else:
            continue
        for (root, *rest), names in read:
            if root == "pymc_bnn":
                found |= set(targets(file, "/".join(rest), names))
    return frozenset(found - {file})


def reached(file: str) -> set[str]:
    """Return the files that a file imports directly or through others."""
    found: set[str] = set()
    ahead = [file]
    while ahead:
        new = imports(ahead.pop()) - found
        found |= new
        ahead += new
    return found


def circles() -> list[list[str]]:
    """Return the groups of files of which each imports each other, if through others."""
    reach = {file: reached(file) for file in files()}
    groups = {
        tuple(sorted({file, *(other for other in reach[file] if file in reach[other])}))
        for file in files()
        if file in reach[file]
    }
    return [list(group) for group in sorted(groups)]


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
    special = {"networks", "priors", "bayesian_network"}
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
