"""Several devices and several processes give the numbers of one."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

SCRIPT = Path(__file__).with_name("devices_script.py")


def start(out, devices, *where, count=1):
    flags = f"--xla_force_host_platform_device_count={count}"
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(out), devices, *map(str, where)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def results(*runs):
    """Wait for started scripts, and return what each of them saved."""
    found = []
    for process, out in runs:
        printed, _ = process.communicate(timeout=900)
        assert process.returncode == 0, printed
        with np.load(out) as saved:
            found.append({name: saved[name] for name in saved.files})
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "one.npz"
    [found] = results((start(out, "one"), out))
    assert found["devices"] == 1
    return found


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in set(found) - {"devices"}:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_devices_of_one_process(tmp_path, alone, count):
    out = tmp_path / "two.npz"
    [found] = results((start(out, "all", count=count), out))
    assert found["devices"] == count
    check_equal(found, alone)


@pytest.mark.slow
def test_two_processes(tmp_path, alone):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outs = [tmp_path / f"{rank}.npz" for rank in (0, 1)]
    runs = [(start(out, "all", port, rank), out) for rank, out in enumerate(outs)]
    for found in results(*runs):
        assert found["devices"] == 2
        check_equal(found, alone)


def small_model(batches=True):
    with pm.Model() as model:
        if batches:
            pm.Normal("y", pm.Normal("mu"), observed=np.zeros(20))
        else:
            pm.MvNormal("y", pm.Normal("mu", shape=3), np.eye(3), observed=np.zeros(3))
    return model


@pytest.mark.parametrize(
    ("devices", "error", "match"),
    [
        ("gpu", ValueError, "`devices` must be \"all\", a number or devices, got 'gpu'"),
        (0, ValueError, "`devices` must be an integer in 1…"),
        (10_000, ValueError, "`devices` must be an integer in 1….*there are"),
        ([], TypeError, "`devices` must hold devices of JAX"),
        (["cpu"], TypeError, "`devices` must hold devices of JAX"),
        (jax.devices()[:1] * 2, ValueError, "`devices` must hold each device once"),
    ],
)
def test_wrong_devices(devices, error, match):
    with pytest.raises(error, match=match):
        bnn.fit(small_model(), steps=1, devices=devices, progressbar=False)


def test_models_without_rows_cannot_be_split():
    with pytest.raises(ValueError, match="`devices` must be left out where the likelihood"):
        bnn.fit(small_model(batches=False), steps=1, batch_size=None, devices=1, progressbar=False)
