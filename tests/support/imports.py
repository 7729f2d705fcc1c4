"""Who imports whom in the package, file by file, annotations under `TYPE_CHECKING` included."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "pymc_bnn"


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
