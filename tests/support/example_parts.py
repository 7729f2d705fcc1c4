"""Running an example as a user does, or at once in this process, and looking at its pictures."""

import contextlib
import io
import os
import runpy
import subprocess
import sys
import traceback
import warnings
from pathlib import Path
from unittest import mock

from matplotlib.image import imread

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script, *arguments):
    """The finished process of an example, on a Python of its own."""
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, "MPLBACKEND": "Agg", "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"},
    )


def run_here(script, *arguments):
    """The same from this process, which has imported and compiled much of what it needs."""
    command = [str(EXAMPLES / script), *map(str, arguments)]
    printed, said, code = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", command),
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(said),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("default")
        try:
            runpy.run_path(command[0], run_name="__main__")
        except SystemExit as end:
            code = end.code or 0
        except Exception:
            code = 1
            traceback.print_exc()
    return subprocess.CompletedProcess(command, code, printed.getvalue(), said.getvalue())


def check_pictures(folder, *names):
    """Each picture is there, large enough, and not empty."""
    for name in names:
        picture = imread(folder / f"{name}.png")
        assert min(picture.shape[:2]) > 300, name
        assert picture[..., :3].std() > 0.01, name
