"""LeNet-5."""

from __future__ import annotations

from collections.abc import Sequence

from pymc_bnn.networks.activations import Activation
from pymc_bnn.networks.convnet import convnet
from pymc_bnn.networks.network import Network

__all__ = ["lenet5"]


def lenet5(
    input_shape: Sequence[int] = (28, 28, 1), n_classes: int = 10, activation: Activation = "relu"
) -> Network:
    """Return LeNet-5 as it is used on MNIST with TensorFlow Probability.

    Three 5×5 convolutions with biases that keep the image's size, of 6, 16 and 120 filters, with
    2×2 max-pooling after the first two; then 84 dense units.

    Parameters
    ----------
    input_shape : sequence of 3 ints, optional
        (height, width, channels) of one image, at least 4×4. Default (28, 28, 1).
    n_classes : int, optional
        Number of outputs (logits). Default 10.
    activation : str or callable, optional
        As in :func:`mlp`. Default "relu".

    Returns
    -------
    Network
        From (batch, height, width, channels) to logits (batch, n_classes), with layers ``conv1``
        to ``conv3``, ``dense1`` and ``dense2``.

    Raises
    ------
    ValueError, TypeError
        As :func:`convnet`.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document recognition*,
    Proceedings of the IEEE 86 (1998), section II.B, for the layers' sizes; the original subsamples
    by learned averages and has tanh units.

    Examples
    --------
    >>> lenet5((8, 8, 1))
    Network((8, 8, 1) → conv1 5×5 1→6 → pool 2×2 → relu → conv2 5×5 6→16 → pool 2×2 → relu
    → conv3 5×5 16→120 → relu → flatten → dense1 480→84 → relu → dense2 84→10)
    """
    return convnet(
        input_shape,
        n_classes,
        filters=(6, 16, 120),
        kernel_size=5,
        padding="same",
        dense=84,
        activation=activation,
        conv_bias=True,
        pool=(2, 2, 1),
    )
