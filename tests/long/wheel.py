"""The wheel: what is in it, and that it works where nothing else of the repository is.

``python tests/long/wheel.py`` builds it, installs it in a new virtual environment with all that it
needs (minutes, and a gigabyte), imports it and runs the README's first code. With ``--here`` the
libraries are those of this environment.
"""

import argparse
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def build(folder):
    """Return the wheel, built from the sources that git knows."""
    pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("pymc_bnn-*.whl")
    return wheel


def pip(python, *arguments):
    subprocess.run([python, "-m", "pip", "--quiet", *map(str, arguments)], check=True)


def check_contents(wheel):
    """All modules of the package, its marker of types and the licence, and nothing else."""
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = subprocess.run(["git", "ls-files", "pymc_bnn"], cwd=ROOT, capture_output=True)
    own = set(listed.stdout.decode().split())
    about = {name for name in names if re.match(r"pymc_bnn-[^/]+\.dist-info/", name)}
    assert names - about == own, sorted((names - about) ^ own)
    assert "pymc_bnn/py.typed" in own
    assert {name.split("/", 1)[1] for name in about} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "licenses/LICENSE",
    }
    return len(own)


def environment(folder, wheel, here):
    """Return the interpreter of a new environment in which the wheel is installed."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python" if sys.platform == "win32" else "bin/python")
    if here:
        libraries = folder / "libraries"
        libraries.mkdir()
        for entry in Path(sysconfig.get_path("purelib")).iterdir():
            if "pymc_bnn" not in entry.name:  # not the package that is installed here
                (libraries / entry.name).symlink_to(entry)
        places = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        Path(places.stdout.strip(), "libraries.pth").write_text(f"{libraries}\n")
    pip(python, "install", *(["--no-deps"] if here else []), wheel)
    return python


def run(python, folder, code):
    """Return what a script prints, in a folder where no source is."""
    script = folder / "script.py"
    script.write_text(code)
    done = subprocess.run(
        [python, "-I", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--here", action="store_true", help="with this environment's libraries")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        wheel = build(folder)
        print(f"{wheel.name}: {check_contents(wheel)} files, {wheel.stat().st_size / 1024:.0f} KB")
        python = environment(folder / "venv", wheel, options.here)
        where = "import pymc_bnn; print(pymc_bnn.__version__, pymc_bnn.__file__)"
        version, file = run(python, folder, where).split(maxsplit=1)
        assert f"-{version}-" in wheel.name
        assert Path(file.strip()).is_relative_to(folder / "venv"), file
        code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
        assert "epochs=240" in code
        code = code.replace("epochs=240", "epochs=20, progressbar=False")
        table = run(python, folder, f"{code}\nprint(bnn.uncertainty.evaluate(pred, test.y))")
        print(f"version {version}, installed and imported; the README's classifier, 20 epochs:")
        print(table)


if __name__ == "__main__":
    main()
