"""The parent's side of a worker: start it, ask it, close it, survive its death."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["Worker", "WorkerError"]

_HERE = Path(__file__).parent


class WorkerError(Exception):
    """A worker failed, died or took too long; the message is the reason for its row."""


class Worker:
    """A process that holds one contender.

    Parameters
    ----------
    settings : dict
        For `worker.py`: module, class, workload, data, options.
    log : Path
        File for all that it prints.
    python : str, optional
        Interpreter; by default this one.
    """

    def __init__(self, settings: dict[str, Any], log: Path, python: str = sys.executable):
        # Workers share an accelerator: each takes what it needs, not three quarters of it.
        environment = {**os.environ, "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
        self._log = log
        with log.open("w") as file:
            self._process = subprocess.Popen(
                [python, str(_HERE / "worker.py"), json.dumps(settings)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env=environment,
            )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._read = b""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def ask(self, do: str, timeout_s: float = 3600.0, **keywords: Any) -> dict[str, Any]:
        """Call a method; return {"value": …, "seconds": …}.

        Raises
        ------
        WorkerError
            If the method raised, the process died, or no answer came in time.
        """
        try:
            self._process.stdin.write(json.dumps({"do": do, "with": keywords}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise WorkerError(self._death(do)) from None
        while b"\n" not in self._read:
            if not self._selector.select(timeout_s):
                self.close()
                raise WorkerError(f"no answer to `{do}` in {timeout_s:.0f} s")
            part = os.read(self._process.stdout.fileno(), 65536)
            if not part:
                raise WorkerError(self._death(do))
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        self._selector.close()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # of a process that is gone already
                pipe.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _death(self, do: str) -> str:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return f"the process ended in `{do}` with {how}: {lines[-1] if lines else ''}"[:500]
