"""Two processes that fit together have the numbers of one: `python tests/long/two_processes.py`."""

import socket
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.runtime.test_devices import check_equal, results, start


def test_two_processes(tmp_path):
    one = tmp_path / "one.npz"
    alone = results(start(one, "one", count=4), one, devices=4)["one"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outs = [tmp_path / f"{rank}.npz" for rank in (0, 1)]
    runs = [(start(out, "all", port, rank), out) for rank, out in enumerate(outs)]
    for process, out in runs:
        check_equal(results(process, out, devices=2)["all"], alone)


if __name__ == "__main__":
    sys.exit(pytest.main([__file__, "--dist", "load", "-v", *sys.argv[1:]]))
