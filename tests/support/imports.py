"""Who imports whom in pymc_bnn, file by file, annotations under `TYPE_CHECKING` included.

python tests/support/imports.py             circles of files, and of rooms
python tests/support/imports.py model       what the files of a room import from outside it
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "pymc_bnn"


def imports(root=ROOT):
    """Return for each module of the package those that it imports, docstrings left out."""
    files = {}
    for path in sorted((root / PACKAGE).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found = {}
    for module, path in files.items():
        found[module] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                # A name may be a module of the folder, or something that its __init__ holds.
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in files else node.module for name in inside]
            else:
                continue
            found[module] |= {name for name in names if name in files and name != module}
    return found


def circles(graph):
    """Return the groups of modules that import each other, by way of others or at once."""
    reach = {node: set(targets) for node, targets in graph.items()}
    for middle in graph:
        for node in graph:
            if middle in reach[node]:
                reach[node] |= reach[middle]
    groups = {
        frozenset(other for other in graph if other in reach[node] and node in reach[other])
        for node in graph
        if node in reach[node]
    }
    return sorted(map(sorted, groups))


def room_of(module):
    """Return the first folder or file below the package."""
    return ".".join(module.split(".")[1:2]) or PACKAGE


def main(*rooms):
    graph = imports()
    if rooms:
        for module, targets in graph.items():
            outside = [t for t in sorted(targets) if room_of(t) != room_of(module)]
            if room_of(module) in rooms and outside:
                print(f"{module}: {', '.join(outside)}")
        return
    between = {}
    for module, targets in graph.items():
        between.setdefault(room_of(module), set()).update(map(room_of, targets))
    rooms = {room: targets - {room, PACKAGE} for room, targets in between.items()}
    for name, found in {"files": circles(graph), "rooms": circles(rooms)}.items():
        print(f"{len(found)} circles of {name}")
        for group in found:
            print("  " + " ".join(group))


if __name__ == "__main__":
    main(*sys.argv[1:])
