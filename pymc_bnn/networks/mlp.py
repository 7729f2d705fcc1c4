"""Dense networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from pytensor_ml.layers import Dropout, Linear

from pymc_bnn._checks import invalid
from pymc_bnn.networks.activations import Activation, find_activation
from pymc_bnn.networks.arguments import dropout_rates, positive_ints
from pymc_bnn.networks.network import Network, in_a_row

__all__ = ["dense_layers", "mlp"]


def mlp(
    sizes: Sequence[int],
    activation: Activation = "tanh",
    dropout: float | Sequence[float] = 0.0,
) -> Network:
    """Return a dense network: linear layers with biases, and an activation between them.

    Inputs with more than two axes, such as images, are flattened.

    Parameters
    ----------
    sizes : sequence of int
        ``(n_in, n_hidden, ..., n_out)``, each at least 1; two or more. ``(64, 10)`` is a linear
        map.
    activation : str or callable, optional
        Applied after every layer but the last: "elu", "gelu", "identity", "leaky_relu", "relu",
        "sigmoid", "silu", "softplus", "swish", "tanh", or a function of a tensor. Default "tanh".
    dropout : float or sequence of float, optional
        Probability, in [0, 1), with which training zeroes each output of a hidden layer after the
        activation; the others are divided by 1 − p. A sequence has one for what each layer gets:
        ``(0.2, 0.5)`` for 0.2 of the inputs and 0.5 of the hidden units of a network with one
        hidden layer. In a Bayesian network see :func:`pymc_bnn.bayesian`. Default 0.0, for none.

    Returns
    -------
    Network
        From (batch, n_in) to (batch, n_out). Its layers are named ``dense1``, ``dense2``, …, with
        parameters ``dense1_W`` (n_in, n_hidden) and ``dense1_b`` (n_hidden,).

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, fewer than two are given, the activation is unknown, or
        `dropout` is not one probability below 1, or one for each layer.

    Examples
    --------
    >>> mlp((784, 800, 800, 10))
    Network((784,) → dense1 784→800 → tanh → dense2 800→800 → tanh → dense3 800→10)
    >>> mlp((784, 800, 10), dropout=(0.2, 0.5))
    Network((784,) → dropout 0.2 → dense1 784→800 → tanh → dropout 0.5 → dense2 800→10)
    >>> import pytensor.tensor as pt
    >>> mlp((1, 20, 1), activation=pt.sin)(pt.matrix("x")).type.shape
    (None, 1)
    """
    sizes = positive_ints("sizes", sizes, "pass (n_in, n_hidden, n_out)")
    if len(sizes) < 2:
        repair = "pass (n_in, n_hidden, n_out)"
        raise invalid("sizes", "hold at least the sizes of input and output", sizes, repair)
    activate, label, _ = find_activation(activation)
    parts = dense_layers(sizes, activate, label, dropout_rates(dropout, len(sizes) - 1))
    return in_a_row((sizes[0],), parts, flatten=True)


def dense_layers(
    sizes: tuple[int, ...], activate: Callable, label: str, rates: tuple[float, ...]
) -> list[tuple[Callable, str]]:
    """Linear layers of the given sizes, with the activation between them, and dropout before.

    Examples
    --------
    >>> [label for _, label in dense_layers((3, 2, 1), abs, "abs", (0.0, 0.5))]
    ['dense1 3→2', 'abs', 'dropout 0.5', 'dense2 2→1']
    """
    parts: list[tuple[Callable, str]] = []
    for number, ((n_in, n_out), rate) in enumerate(
        zip(pairwise(sizes), rates, strict=True), start=1
    ):
        if parts:
            parts.append((activate, label))
        if rate:
            mask = Dropout(f"dropout{number}", p=rate, random_state=number)
            parts.append((mask, f"dropout {rate:g}"))
        layer = Linear(f"dense{number}", n_in=n_in, n_out=n_out)
        parts.append((layer, f"dense{number} {n_in}→{n_out}"))
    return parts
