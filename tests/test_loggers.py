"""Logs of fits, read back by other libraries: each row once, also after a kill."""

import os
import resource
import sys
import warnings

import numpy as np
import optax
import pandas as pd
import pytest

import pymc_bnn as bnn
from pymc_bnn.callbacks import CSVLogger, MLflowLogger, TensorBoardLogger
from tests.support.checkpoint_parts import QUIET, Kill, Killed, counts, regression

STEPS, CHUNK = 60, 7
SAME = ["step", "epoch", "member", "nll", "kl", "elbo", "elbo_per_example", "kl_weight"]
OPTIONS = {"steps": STEPS, "batch_size": 50, "chunk_steps": CHUNK, **QUIET}


def expected(fitted, steps=STEPS):
    """Means of the history over chunks."""
    ends = [*range(CHUNK, steps, CHUNK), steps]
    history = fitted.history
    rows = [history.iloc[a:b].mean() for a, b in zip([0, *ends], ends, strict=False)]
    return ends, pd.DataFrame(rows)


def assert_rows(frame, fitted):
    ends, history = expected(fitted)
    assert frame["step"].tolist() == ends
    for name in ("nll", "kl", "elbo"):
        np.testing.assert_allclose(frame[name], history[name], rtol=1e-5)
    np.testing.assert_allclose(frame["elbo_per_example"], history["elbo"] / 120, rtol=1e-5)
    assert frame["elapsed_s"].is_monotonic_increasing


# As tables by step -------------------------------------------------------------------------------


def read_csv(path):
    return pd.read_csv(path / "log.csv")


def read_events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder)).Reload()
    columns = {
        tag: pd.Series(
            [e.value for e in events.Scalars(tag)], [e.step for e in events.Scalars(tag)]
        )
        for tag in events.Tags()["scalars"]
    }
    frame = pd.DataFrame(columns).rename_axis("step").reset_index()
    assert len(frame) == len(events.Scalars("nll"))
    return frame


def read_mlflow(folder, prefix=""):
    (run,) = (p.parent for p in folder.glob("runs/*/*/metrics"))
    columns = {}
    for path in (run / "metrics" / prefix).iterdir():
        found = np.loadtxt(path, ndmin=2)  # time, value, step
        columns[path.name] = pd.Series(found[:, 1], found[:, 2].astype(int))
    return pd.DataFrame(columns).rename_axis("step").reset_index()


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("GIT_PYTHON_REFRESH", "quiet")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
        yield mlflow
        while mlflow.active_run():
            mlflow.end_run()


def loggers(folder):
    return [CSVLogger(folder / "log.csv"), TensorBoardLogger(folder / "events")]


def test_rows_are_means_of_the_history(tmp_path, store):
    with store.start_run():
        logs = [*loggers(tmp_path), MLflowLogger()]
        fitted = bnn.fit(regression(), callbacks=logs, learning_rate=0.02, **OPTIONS)
    for frame in (read_csv(tmp_path), read_events(tmp_path / "events"), read_mlflow(tmp_path)):
        assert_rows(frame, fitted)
        step = frame["step"] - 1  # half a cosine, to a hundredth
        rates = 0.02 * (0.99 * (1 + np.cos(np.pi * step / STEPS)) / 2 + 0.01)
        np.testing.assert_allclose(frame["learning_rate"], rates, rtol=1e-5)
        np.testing.assert_allclose(frame["epoch"], frame["step"] / 3, rtol=1e-6)
        assert (frame["kl_weight"] == 1).all()


@pytest.mark.parametrize("kill", [3, 20, 41])
def test_a_fit_that_goes_on_has_each_row_once(tmp_path, store, kill):
    fitted = bnn.fit(regression(), **OPTIONS)

    def logs():
        return [*loggers(tmp_path), MLflowLogger()]

    options = OPTIONS | {"checkpoint": tmp_path / "fit", "checkpoint_every": 10}
    with pytest.raises(Killed):  # the callbacks were told of steps after the checkpoint
        bnn.fit(regression(), callbacks=[*logs(), Kill(kill)], **options)
    store.end_run()
    if kill == 3:  # before the first checkpoint
        with pytest.raises(ValueError, match=r"`path` must be a file that is not there yet, got "):
            bnn.fit(regression(), callbacks=logs(), **options)
        over = [CSVLogger(tmp_path / "log.csv", over=True)]
        over += [TensorBoardLogger(tmp_path / "events", over=True)]
        assert_rows_of(tmp_path, bnn.fit(regression(), callbacks=over, **options), fitted)
        return
    found = bnn.fit(regression(), callbacks=logs(), **options)
    assert_rows_of(tmp_path, found, fitted)
    assert_rows(read_mlflow(tmp_path), fitted)


def assert_rows_of(folder, found, fitted):
    assert found.history.equals(fitted.history)
    for frame in (read_csv(folder), read_events(folder / "events")):
        assert_rows(frame, fitted)


def test_a_file_that_was_lost_or_cut_before_going_on(tmp_path):
    options = OPTIONS | {"checkpoint": tmp_path / "fit", "checkpoint_every": 10}
    path = tmp_path / "log.csv"
    with pytest.raises(Killed):
        bnn.fit(regression(), callbacks=[CSVLogger(path), Kill(41)], **options)
    path.write_text(path.read_text()[:40])
    with pytest.raises(ValueError, match=r"`path` must be the file as it was left, of \d+ bytes"):
        bnn.fit(regression(), callbacks=[CSVLogger(path)], **options)
    path.unlink()
    bnn.fit(regression(), callbacks=[CSVLogger(path)], **options)
    assert read_csv(tmp_path)["step"].tolist() == [42, 49, 56, 60]


def test_members_and_recoveries(tmp_path, monkeypatch):
    fitted = bnn.fit(regression(), callbacks=loggers(tmp_path), members=2, **OPTIONS)
    frame = read_csv(tmp_path)
    for member, record in enumerate(fitted.record.members):
        own = frame[frame["member"] == member]
        assert own["step"].tolist() == [*range(CHUNK, STEPS, CHUNK), STEPS]
        np.testing.assert_allclose(own["nll"].iloc[0], record.metrics.nll[:CHUNK].mean(), rtol=1e-5)
        events = read_events(tmp_path / "events" / f"member_{member}")
        np.testing.assert_allclose(events["nll"], own["nll"], rtol=1e-6)

    monkeypatch.setattr("pymc_bnn.inference.rescues.EVERY", 25)
    logs = loggers(tmp_path / "hot")
    with pytest.warns(UserWarning, match="went back"):
        hot = bnn.fit(
            counts(), steps=70, recover=6, learning_rate=3.0, callbacks=logs, chunk_steps=5, **QUIET
        )
    frame, events = read_csv(tmp_path / "hot"), read_events(tmp_path / "hot" / "events")
    last = hot.record.recoveries[-1]
    for each in (frame, events):
        assert each["step"].tolist() == [*range(5, 71, 5)]
        np.testing.assert_allclose(
            each["nll"], hot.history["nll"].to_numpy().reshape(-1, 5).mean(axis=1), rtol=1e-5
        )
    assert frame["learning_rate"].iloc[-1] < 3 * last.rate


def test_a_member_killed_before_its_first_checkpoint(tmp_path):
    options = OPTIONS | {"checkpoint": tmp_path / "fit", "checkpoint_every": 1000, "members": 2}

    class KillSecond(Kill):
        def on_chunk(self, state, info):
            if info.member:
                raise Killed

    with pytest.raises(Killed):
        bnn.fit(regression(), callbacks=[*loggers(tmp_path), KillSecond(30)], **options)
    bnn.fit(regression(), callbacks=loggers(tmp_path), **options)
    assert read_csv(tmp_path)["step"].tolist() == 2 * [*range(7, 60, 7), 60]
    for member in range(2):
        events = read_events(tmp_path / "events" / f"member_{member}")
        assert events["step"].tolist() == [*range(7, 60, 7), 60]


@pytest.mark.parametrize(
    ("optimizer", "rate"),
    [
        (optax.inject_hyperparams(optax.adam)(optax.constant_schedule(0.25)), 0.25),
        (optax.adam(0.1), None),
    ],
)
def test_rates_of_other_optimisers(tmp_path, optimizer, rate):
    log = CSVLogger(tmp_path / "log.csv")
    bnn.fit(regression(), steps=10, optimizer=optimizer, callbacks=[log], **QUIET)
    found = read_csv(tmp_path)["learning_rate"]
    assert found.isna().all() if rate is None else (found == rate).all()


# What cannot be written --------------------------------------------------------------------------


class Full:
    """A disk on which nothing more can be written, after some steps and for a while."""

    def __init__(self, first, last):
        self.at_steps, self.last = {first, last}, last
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def on_chunk(self, state, info):
        limit = self.limits[0] if info.step == self.last else 700
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, self.limits[1]))

    def on_end(self):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_full_disk_is_warned_of_once_and_no_row_is_lost(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(TensorBoardLogger, "every_s", 0.0)
    log = loggers(tmp_path)[kind]
    with pytest.warns(
        RuntimeWarning, match=r"could not be written \(OSError: .*fit goes on"
    ) as seen:
        fitted = bnn.fit(regression(), callbacks=[Full(15, 50), log], **OPTIONS)
    assert len(seen) == 1
    assert_rows(read_events(tmp_path / "events") if kind else read_csv(tmp_path), fitted)


def test_a_store_that_fails_is_warned_of(tmp_path, store, monkeypatch):
    monkeypatch.setattr(MLflowLogger, "every_s", 0.0)
    whole, calls = store.MlflowClient.log_batch, []

    def log_batch(self, *args, **options):
        calls.append(args)
        if len(calls) in (3, 4):
            raise store.MlflowException("no answer")
        return whole(self, *args, **options)

    monkeypatch.setattr(store.MlflowClient, "log_batch", log_batch)
    with pytest.warns(RuntimeWarning, match="MlflowException: no answer") as seen:
        fitted = bnn.fit(regression(), callbacks=[MLflowLogger()], **OPTIONS)
    assert len([w for w in seen if "no answer" in str(w.message)]) == 1
    assert_rows(read_mlflow(tmp_path), fitted)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    for make in (lambda: CSVLogger(tmp_path / "log.csv"), lambda: TensorBoardLogger(tmp_path)):
        with pytest.raises(ValueError, match="must be where can be written"):
            make()


def test_bad_places(tmp_path):
    (tmp_path / "log.csv").write_text("mine")
    (tmp_path / "events.out.tfevents.1").write_text("mine")
    with pytest.raises(
        ValueError, match=r"`folder` must be a folder, got .*log.csv', which is none"
    ):
        TensorBoardLogger(tmp_path / "log.csv")
    with pytest.raises(ValueError, match=r"`path` must be a file, got .*, which is none"):
        CSVLogger(tmp_path)
    with pytest.raises(TypeError, match=r"`path` must be a path, got None; pass 'log.csv', say"):
        CSVLogger(None)
    with pytest.raises(
        ValueError, match=r"`path` must be where can be written, got .*(exists|Not a)"
    ):
        CSVLogger(tmp_path / "log.csv" / "log.csv")
    with pytest.raises(ValueError, match=r"is not there yet, got .* of 4 bytes; choose another"):
        bnn.fit(regression(), callbacks=[CSVLogger(tmp_path / "log.csv")], **OPTIONS)
    with pytest.raises(ValueError, match=r"`folder` must be a folder without event files, got"):
        bnn.fit(regression(), callbacks=[TensorBoardLogger(tmp_path)], **OPTIONS)
    assert (tmp_path / "log.csv").read_text() == "mine"


def test_an_unknown_run(store):
    with pytest.raises(TypeError, match="`run_id` must be a string, got 3"):
        MLflowLogger(3)
    with pytest.raises(ValueError, match="`run_id` must be a run that MLflow finds, got 'none'"):
        bnn.fit(regression(), callbacks=[MLflowLogger("none")], **OPTIONS)


@pytest.mark.parametrize(
    ("module", "make", "command"),
    [
        ("tensorboardX", lambda: TensorBoardLogger("runs"), "tensorboardX"),
        ("mlflow", MLflowLogger, "mlflow-skinny"),
    ],
)
def test_libraries_that_are_missing(monkeypatch, module, make, command):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=f"not installed; run: pip install {command}$"):
        make()
