"""Running an example as a user does, and looking at its pictures."""

import os
import subprocess
import sys
from pathlib import Path

from matplotlib.image import imread

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script, *arguments):
    """The finished process of an example."""
    return subprocess.run(
        [sys.executable, EXAMPLES / script, *arguments],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ, "MPLBACKEND": "Agg"},
    )


def check_pictures(folder, *names):
    """Each picture is there, large enough, and not empty."""
    for name in names:
        picture = imread(folder / f"{name}.png")
        assert min(picture.shape[:2]) > 300, name
        assert picture[..., :3].std() > 0.01, name
