"""Several devices give the numbers of one; several processes: ``tests/long/two_processes.py``."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pymc as pm
import pytest

import pymc_bnn as bnn

SCRIPT = Path(__file__).with_name("devices_script.py")


def start(out, counts, *where, count=1):
    flags = f"--xla_force_host_platform_device_count={count}"
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(out), counts, *map(str, where)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def results(process, out, devices):
    """Wait for a started script; return what it saved, by counts of devices and names."""
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == 0, printed
    found = {}
    with np.load(out) as saved:
        assert saved["devices"] == devices
        for name in set(saved.files) - {"devices"}:
            count, _, name_of_result = name.partition("/")
            found.setdefault(count, {})[name_of_result] = saved[name]
    return found


@pytest.fixture(scope="module")
def by_count(tmp_path_factory):
    """One process of four devices, of which fits used one, or were told to use three."""
    out = tmp_path_factory.mktemp("one") / "one.npz"
    return results(start(out, "one,3", count=4), out, devices=4)


def check_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = np.abs(value).max()
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-5 * scale)


@pytest.mark.slow
def test_devices_of_one_process(by_count):
    split = {c: {k: v for k, v in f.items() if k[:7] != "members"} for c, f in by_count.items()}
    check_equal(split["3"], split["one"])


@pytest.mark.slow
def test_members_and_chains_have_a_device_each(by_count):
    three, one = (
        {k: v for k, v in by_count[c].items() if k[:7] == "members"} for c in ("3", "one")
    )
    assert three.pop("members/places").tolist() == [0, 1, 2]
    assert one.pop("members/places").tolist() == [0]
    assert len(one) > 40
    assert three.keys() == one.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(three[name], value, err_msg=name)


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
