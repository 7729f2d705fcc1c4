"""Where and with what a benchmark ran."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["describe"]

_PACKAGES = ("pymc_bnn", "pymc", "pytensor", "pytensor_ml", "jax", "jaxlib", "optax", "numpyro")
_PACKAGES += ("flax", "numpy", "scipy")
_VERSIONS = (
    "import json\nfrom importlib.metadata import version as v\n"
    "print(json.dumps({n: v(n) for n in ('pymc_extras', 'pymc', 'pytensor', 'jax')}))"
)
_DEVICE = (
    "import json, jax\nd = jax.devices()\n"
    "print(json.dumps({'backend': jax.default_backend(), 'devices': [x.device_kind for x in d]}))"
)


def describe(trainer_python: str | None) -> dict[str, Any]:
    """Return date, processor, cores, load, device and versions."""
    found = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "load_before": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "jax": _json(sys.executable, _DEVICE),
        "versions": {name: _version(name) for name in _PACKAGES},
    }
    if trainer_python:
        found["trainer_versions"] = _json(trainer_python, _VERSIONS)
    return found


def _json(python: str, code: str) -> Any:
    environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    run = subprocess.run([python, "-c", code], capture_output=True, text=True, env=environment)
    if run.returncode:
        return {"error": run.stderr.strip().splitlines()[-1:]}
    return json.loads(run.stdout.strip().splitlines()[-1])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return `git describe`; "-dirty" says that files had changed since."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent)
    except OSError:
        return None
    return run.stdout.strip() or None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
