"""Keeps pytest, doctests included, out of this folder: `run.py` is its one command."""

collect_ignore_glob = ["*"]
