"""Fits that are killed (SIGKILL) at random moments, again and again, and go on from checkpoints.

    python tests/long/kills.py [--kills 200] [--kinds dense members …] [--seed 0]

Each fit runs in a process of its own, which is killed at a moment drawn at random: while it
prepares, compiles, steps, writes a checkpoint, or returns. The same call is made until one ends.
Then its parameters, optimiser, key and metrics have to be those of a fit that was never stopped,
bit by bit, and after each kill the checkpoint may be no more than one interval behind the last step
that was seen. A line for each kind, and an exit code of 1 if any fit differed or lost more. Some
ten minutes on two idle cores.
"""

import argparse
import hashlib
import multiprocessing
import os
import signal
import struct
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

EVERY, CHUNK = 40, 8  # steps between checkpoints, and between looks


class Tell:
    """Writes down the steps that were done, where another process can read them."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_CREAT)

    def on_chunk(self, state, info):
        os.pwrite(self.file, struct.pack("qq", info.member, info.step), 0)


def options_of(kind):
    """Return what to fit, how, and where convergence is looked for."""
    import pymc_bnn as bnn
    from tests.support import checkpoint_parts as parts

    kinds = {
        "dense": (parts.regression, {"batch_size": 50, "steps": 1200}),
        "convolutions": (parts.convolutional, {"batch_size": 16, "steps": 600}),
        "batches": (parts.regression, {"data": parts.Batches(), "steps": 600}),
        "stateful": (parts.regression, {"data": parts.Stateful(), "steps": 600}),
        "members": (parts.regression, {"members": 3, "steps": 400}),
        "two devices": (parts.regression, {"devices": 2, "batch_size": 50, "steps": 1000}),
        "converged": (parts.regression, {"guide": bnn.guides.FullRank()}),
        "recovered": (parts.counts, {"steps": 1000, "learning_rate": 3.0, "recover": 6}),
    }
    make, options = kinds[kind]
    if "data" in options:
        options["total_size"] = parts.N
    return make, {**options, **parts.QUIET, "chunk_steps": CHUNK}


def fit(kind, cache, folder, progress, answer):
    """Fit in this process, and write what came out of it."""
    warnings.simplefilter("ignore")
    import pymc_bnn as bnn
    from pymc_bnn.data import prefetcher
    from pymc_bnn.inference import convergence, plan
    from tests.support.checkpoint_parts import numbers

    prefetcher._NOTE_S = 0.05
    plan.Convergence = lambda: convergence.Convergence(warmup=200, first=300, most=600)
    bnn.compilation_cache(cache)
    make, options = options_of(kind)
    if folder is not None:
        options |= {"checkpoint": folder, "checkpoint_every": EVERY}
    fitted = bnn.fit(make(), callbacks=[Tell(progress)], **options)
    text = hashlib.sha256(repr(sorted(numbers(fitted).items())).encode()).hexdigest()
    Path(answer).write_text(f"{text} {fitted.record.steps}")


def kept(folder):
    """Return member and step of the newest position that is kept; (0, 0) without one."""
    import json

    runs = sorted(folder.glob("fit-*"), key=lambda path: int(path.name.split("-")[1]))
    if not runs:
        return 0, 0
    member = int(runs[-1].name.split("-")[1]) - 1
    if (runs[-1] / "finished").exists():
        return member + 1, 0
    paths = sorted(path for path in runs[-1].iterdir() if path.name.isdecimal())
    if not paths:
        return member, 0
    return member, json.loads((paths[-1] / "checkpoint.json").read_text())["done"]


def look(kind, kills, rng, context, home):
    """Kill fits of a kind so many times; return how many were, and what went wrong."""
    progress, answer, cache = home / "progress", home / "answer", home / "cache"

    def start(folder):
        process = context.Process(target=fit, args=(kind, cache, folder, progress, answer))
        process.start()
        return process

    def stepped(process, before):
        """Wait until a step is done in a process, or it ends."""
        while progress.read_bytes() == before and process.exitcode is None:
            process.join(0.002)

    began = time.monotonic()
    whole = start(None)
    whole.join()
    expected = answer.read_text()
    answer.unlink()
    before = struct.pack("qq", -1, -1)
    progress.write_bytes(before)
    begun = time.monotonic()
    process = start(home / "first")  # with programs from the cache, and checkpoints
    stepped(process, before)
    first = time.monotonic() - begun
    process.join()
    rest = time.monotonic() - begun - first
    wrong = [] if answer.read_text() == expected else ["a fit that was never killed"]
    killed = ended = most = where = 0
    while killed < kills:
        folder, stops = home / f"{kind}-{ended}", 0
        while True:
            answer.unlink(missing_ok=True)
            before = struct.pack("qq", *kept(folder))
            progress.write_bytes(before)
            process = start(folder)
            if killed == kills:
                process.join()
            elif rng.random() < 0.3:
                process.join(rng.uniform(0, first))
            else:
                stepped(process, before)
                process.join(rng.uniform(0, rest))
            process.kill()
            process.join()
            if process.exitcode not in (0, -signal.SIGKILL):
                wrong.append(f"{folder.name}: exit {process.exitcode} after {stops} kills")
                break
            if process.exitcode == 0:
                break
            killed, stops = killed + 1, stops + 1
            member, step = struct.unpack("qq", progress.read_bytes())
            here = kept(folder)
            lost = step - here[1] if here[0] == member else EVERY + 1 if here[0] < member else 0
            where += progress.read_bytes() != before
            most = max(most, lost)
            if lost > EVERY:
                wrong.append(f"{folder.name}: lost {lost} steps at step {step} of member {member}")
        ended += 1
        if not answer.exists() or answer.read_text() != expected:
            wrong.append(f"{folder.name}: other numbers after {stops} kills")
    seconds = time.monotonic() - began
    print(
        f"{kind:13} {expected.split()[1]:>5} steps, {killed:4} kills ({where} after a step), "
        f"{ended:3} fits ended, {ended - len(wrong)} bit by bit as one that was never stopped, "
        f"at most {most} of {EVERY} steps lost, {seconds:.0f} s",
        flush=True,
    )
    for text in wrong:
        print("    wrong:", text, flush=True)
    return killed, ended, wrong


def main():
    kinds = ["dense", "convolutions", "batches", "stateful", "members", "converged", "recovered"]
    kinds.insert(5, "two devices")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--kinds", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    os.environ["JAX_PLATFORMS"] = "cpu"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pymc", "pymc_bnn.fitting", "tests.support.checkpoint_parts"])
    rng = np.random.default_rng(args.seed)
    share = -(-args.kills // len(args.kinds))
    found = []
    for kind in args.kinds:
        with tempfile.TemporaryDirectory() as home:
            found.append(look(kind, share, rng, context, Path(home)))
    killed, ended = (sum(each[i] for each in found) for i in (0, 1))
    wrong = sum(len(each[2]) for each in found)
    print(f"{killed} kills, {ended} fits ended, {wrong} wrong")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
