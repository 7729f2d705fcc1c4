"""The child process of one contender: reads commands as JSON lines, answers as JSON lines.

    python worker.py '{"module": "plain_jax", "class": "Steps", "workload": "mlp", …}'

A command names a method of the contender and its keywords; the answer holds what it returned and
the seconds it took. Whatever libraries print goes to standard error, which the parent keeps.
"""

import json
import os
import resource
import sys
import time
import traceback
from typing import Any


def main() -> None:
    """Serve one contender until standard input ends."""
    settings = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    contender: Any = None
    for line in sys.stdin:
        command = json.loads(line)
        began = time.perf_counter()
        try:
            if command["do"] == "start":
                contender, value = _start(settings)
            elif command["do"] == "memory":
                value = _memory()
            else:
                value = getattr(contender, command["do"])(**command["with"])
            answer = {"value": value, "seconds": time.perf_counter() - began}
        except BaseException as error:
            traceback.print_exc()
            said = (str(error).strip().splitlines() or [""])[0]
            if isinstance(error, ModuleNotFoundError):
                said += '; install the extra: pip install -e ".[bench]"'
            answer = {"error": f"{type(error).__name__}: {said}"[:500]}
        answers.write(json.dumps(answer) + "\n")


def _start(settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Import the contender and load its data; what follows is measured against this memory."""
    import importlib

    import workloads

    module = importlib.import_module(settings["module"])
    workload = data = None
    if settings.get("workload"):
        workload = workloads.WORKLOADS[settings["workload"]]
        data = workloads.load(settings["data"], workload)
    contender = getattr(module, settings["class"])(workload, data, **settings.get("options", {}))
    import jax

    device = jax.devices()[0]
    about = {"backend": jax.default_backend(), "device": device.device_kind}
    return contender, about | {"memory": _memory()}


def _memory() -> dict[str, float]:
    """Return the peak memory of this process so far and, of an accelerator, its own; MiB."""
    import jax

    unit = 2**20 if sys.platform == "darwin" else 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    stats = jax.local_devices()[0].memory_stats() or {}
    device = stats.get("peak_bytes_in_use")
    return {"peak": peak} | ({} if device is None else {"device_peak": device / 2**20})


if __name__ == "__main__":
    main()
