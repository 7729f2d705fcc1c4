"""The networks and data that are timed. NumPy only, so that any environment can read it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["PRIOR_SIGMA", "RATE", "WORKLOADS", "Layer", "Workload", "load", "prepare"]

PRIOR_SIGMA = 0.1  # every weight and bias: Normal(0, 0.1)
RATE = 1e-3  # of every contender's Adam
START_SCALE = 0.01  # of posteriors, where a contender lets it be chosen


@dataclass(frozen=True)
class Layer:
    """A convolution or a dense layer, with what follows it."""

    name: str
    shape: tuple[int, ...]  # (height, width, in, out) or (in, out)
    bias: bool
    activate: bool
    pool: int = 1  # side of the pooling windows; pooling comes before the activation
    padding: str = "VALID"

    @property
    def convolution(self) -> bool:
        """Tell a convolution from a dense layer."""
        return len(self.shape) == 4

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of its parameters, by the names that pymc_bnn gives them."""
        shapes = {f"{self.name}_W": self.shape}
        if self.bias:
            shapes[f"{self.name}_b"] = self.shape[-1:]
        return shapes


@dataclass(frozen=True)
class Workload:
    """A network, its data and its batch."""

    name: str
    title: str
    layers: tuple[Layer, ...]
    activation: str  # "tanh" or "relu"
    batch_size: int
    data: str  # "mnist" or "moons"
    chunk_steps: int  # on CPU, steps between two looks from Python of what runs in compiled loops
    in_turns: bool = True  # False: one contender after the other, as together they fill the memory

    @property
    def convolutional(self) -> bool:
        """Tell whether it has convolutions."""
        return any(layer.convolution for layer in self.layers)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example."""
        return (28, 28, 1) if self.convolutional else self.layers[0].shape[:1]

    def chunk(self, backend: str) -> int:
        """Return how many steps run between two looks: many on an accelerator, where steps fly."""
        return self.chunk_steps if backend == "cpu" else max(self.chunk_steps, 1000)

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Return the shapes of all parameters by name."""
        return {k: v for layer in self.layers for k, v in layer.parameters().items()}

    def starting_weights(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Return kernels N(0, 1/fan_in), as pymc_bnn starts them, and zero biases; float32."""
        rng = np.random.default_rng(seed)
        weights = {}
        for name, shape in self.parameters().items():
            if len(shape) == 1:
                weights[name] = np.zeros(shape, "float32")
                continue
            fan_in = int(np.prod(shape[:-1]))
            weights[name] = rng.normal(0, fan_in**-0.5, shape).astype("float32")
        return weights


def _dense(*sizes: int) -> tuple[Layer, ...]:
    pairs = list(pairwise(sizes))
    return tuple(
        Layer(f"dense{i + 1}", pair, bias=True, activate=i + 1 < len(pairs))
        for i, pair in enumerate(pairs)
    )


_CONV = (
    Layer("conv1", (5, 5, 1, 32), bias=False, activate=True, pool=2),
    Layer("conv2", (5, 5, 32, 32), bias=False, activate=True, pool=2),
    *_dense(512, 256, 10),
)
_LENET5 = (
    Layer("conv1", (5, 5, 1, 6), bias=True, activate=True, pool=2, padding="SAME"),
    Layer("conv2", (5, 5, 6, 16), bias=True, activate=True, pool=2, padding="SAME"),
    Layer("conv3", (5, 5, 16, 120), bias=True, activate=True, padding="SAME"),
    *_dense(5880, 84, 10),
)

WORKLOADS = {
    w.name: w
    for w in (
        Workload("mlp", "MLP 784-800-800-10", _dense(784, 800, 800, 10), "tanh", 500, "mnist", 10),
        Workload("lenet5", "LeNet5", _LENET5, "relu", 128, "mnist", 5),
        Workload("conv", "conv net of system 1", _CONV, "tanh", 500, "mnist", 2),
        Workload("overhead", "322 weights", _dense(2, 64, 2), "tanh", 128, "moons", 10_000),
        Workload(
            "large",
            "20 M weights, MLP 784-4096-4096-10",
            _dense(784, 4096, 4096, 10),
            "tanh",
            128,
            "mnist",
            10,
            in_turns=False,
        ),
    )
}


def prepare(folder: Path, names: set[str], synthetic: bool) -> dict[str, str]:
    """Write the data sets wanted as .npz files; return what each of them is."""
    described = {}
    for name in sorted(names):
        if name == "moons":
            arrays, described[name] = _moons(), "two half moons, 10,000 + 10,000 points, made here"
        elif synthetic:
            arrays, described[name] = _random_images(), "SYNTHETIC: random images of MNIST's shape"
        else:
            arrays, described[name] = _mnist(), "MNIST: 50,000 images train, 10,000 test"
        np.savez(folder / f"{name}.npz", **arrays)
    return described


def load(path: str, workload: Workload) -> dict[str, np.ndarray]:
    """Read a data set: train_x (n, *input_shape) float32, train_y (n,) int32, test_x, test_y."""
    with np.load(path) as file:
        arrays: dict[str, Any] = dict(file)
    for name in ("train_x", "test_x"):
        arrays[name] = arrays[name].reshape(-1, *workload.input_shape)
    return arrays


def _mnist() -> dict[str, np.ndarray]:
    import pymc_bnn as bnn

    try:
        train, _, test = bnn.datasets.load_mnist()
    except (OSError, ValueError) as error:
        raise SystemExit(
            f"MNIST must be readable, got: {error}\n"
            "Set PYMC_BNN_DATA to the folder that holds mnist/, or pass --synthetic for random "
            "images of the same shape (time to result then means nothing)."
        ) from error
    return _arrays(train.x, train.y, test.x, test.y)


def _random_images() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(10, size=60_000)
    images = rng.random((60_000, 28, 28, 1), dtype="float32")
    return _arrays(images[:50_000], labels[:50_000], images[50_000:], labels[50_000:])


def _moons() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=20_000)
    angle = rng.uniform(0, np.pi, 20_000) + np.pi * labels
    points = np.stack([np.cos(angle) + labels - 0.5, np.sin(angle) + 0.5 * labels - 0.25], axis=1)
    points += rng.normal(0, 0.1, points.shape)
    return _arrays(points[:10_000], labels[:10_000], points[10_000:], labels[10_000:])


def _arrays(*four: np.ndarray) -> dict[str, np.ndarray]:
    train_x, train_y, test_x, test_y = four
    return {
        "train_x": np.ascontiguousarray(train_x, "float32"),
        "train_y": np.asarray(train_y, "int32"),
        "test_x": np.ascontiguousarray(test_x, "float32"),
        "test_y": np.asarray(test_y, "int32"),
    }
