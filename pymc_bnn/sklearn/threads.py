"""As many threads as a worker of joblib is allowed."""

from __future__ import annotations

import os

__all__ = ["limit_threads"]


def limit_threads() -> None:
    """Let JAX have as many threads as ``OMP_NUM_THREADS`` says, as other libraries do.

    joblib sets that in its workers, so that ``n_jobs`` of them do not each use all cores. JAX looks
    when it first computes; later nothing changes.

    Examples
    --------
    >>> limit_threads()
    """
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads.isdigit():
        os.environ.setdefault("PJRT_NPROC", threads)
