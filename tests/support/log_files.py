"""Logs of long commands, a line of JSON for each row: they go on where they stopped."""

import json


def read_rows(path):
    """Return the rows of a log; none where there is no such file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def add_row(path, row):
    """Add a row, which is on disk when this returns."""
    with path.open("a") as log:
        log.write(json.dumps(row, default=float) + "\n")
