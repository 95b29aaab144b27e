"""Networks that STDR-Net is compared with, fitted in the same way on the same windows.

Each takes `(batch, time, inputs)`, simulated activity with every channel divided by its training
maximum, to `(batch, time, outputs)`, envelopes in 0-1, as `stdr_net` does.
They do not mask padding, which only recordings shorter than a window have.
"""

from collections.abc import Callable
from typing import Any

import keras

from nem2e_tf.network.stdr_net import Fold, Unfold


def encoder_only(
    inputs: int,
    outputs: int,
    *,
    units: int = 32,
    dropout: float = 0.1,
    frames: int = 4,
) -> keras.Model:
    """STDR-Net's encoder with a dense head in place of attention and decoder.

    Args:
        inputs: int. Simulated channels.
        outputs: int. Muscles.
        units: int. Hidden state of the LSTM, in each direction.
        dropout: float. Share of the encoded features that a training step leaves out.
        frames: int. Frames in a step.
    """
    simulated = keras.Input((None, inputs), name="simulated")
    steps = Fold(frames, name="steps")(simulated)
    lstm = keras.layers.LSTM(units, return_sequences=True)
    encoded = keras.layers.Bidirectional(lstm, name="encoder")(steps)
    encoded = keras.layers.Dropout(dropout, name="encoded")(encoded)
    activity = keras.layers.Dense(outputs * frames, activation="sigmoid", name="head")(encoded)
    return keras.Model(simulated, Unfold(frames)(activity, simulated), name="encoder_only")


def temporal_convolution(
    inputs: int,
    outputs: int,
    *,
    features: int = 48,
    kernel: int = 3,
    dilations: tuple[int, ...] = (1, 2, 4, 8),
    dropout: float = 0.1,
    frames: int = 4,
) -> keras.Model:
    """A temporal convolutional network: residual blocks of dilated convolutions.

    Bai, Kolter and Koltun (2018), arXiv 1803.01271, with convolutions that look to both sides and
    layer in place of weight normalisation. A step sees 30 steps to either side.

    Args:
        inputs: int. Simulated channels.
        outputs: int. Muscles.
        features: int. Of every step.
        kernel: int. Steps of a convolution.
        dilations: steps between those of a convolution, a residual block of two each.
        dropout: float. Share of the features that a training step leaves out, in each block.
        frames: int. Frames in a step.
    """
    simulated = keras.Input((None, inputs), name="simulated")
    steps = Fold(frames, name="steps")(simulated)
    hidden = keras.layers.Dense(features)(steps)
    for dilation in dilations:
        residual = hidden
        for _ in range(2):
            convolution = keras.layers.Conv1D(
                features, kernel, padding="same", dilation_rate=dilation
            )
            residual = keras.layers.LayerNormalization()(convolution(residual))
            residual = keras.layers.Activation("relu")(residual)
        hidden = keras.layers.Add()([hidden, keras.layers.Dropout(dropout)(residual)])
    activity = keras.layers.Dense(outputs * frames, activation="sigmoid", name="head")(hidden)
    unfolded = Unfold(frames)(activity, simulated)
    return keras.Model(simulated, unfolded, name="temporal_convolution")


def transformer(
    inputs: int,
    outputs: int,
    *,
    features: int = 48,
    heads: int = 4,
    layers: int = 3,
    dropout: float = 0.1,
    frames: int = 4,
) -> keras.Model:
    """A transformer encoder with a dense head.

    Vaswani et al. (2017), arXiv 1706.03762, normalised before each layer (Xiong et al. 2020, arXiv
    2002.04745); a convolution encodes positions, as in wav2vec 2.0 (Baevski et al. 2020, arXiv
    2006.11477), so that it takes any length.

    Args:
        inputs: int. Simulated channels.
        outputs: int. Muscles.
        features: int. Of every step.
        heads: int. Of the attention.
        layers: int. How many times attention and a feed-forward layer of twice the features.
        dropout: float. Share of the features that a training step leaves out, in each of them.
        frames: int. Frames in a step.
    """
    simulated = keras.Input((None, inputs), name="simulated")
    steps = Fold(frames, name="steps")(simulated)
    hidden = keras.layers.Dense(features)(steps)
    position_encoding = keras.layers.Conv1D(
        features, 15, padding="same", groups=features, activation="gelu"
    )
    hidden = keras.layers.Add()([hidden, position_encoding(hidden)])
    for _ in range(layers):
        norm = keras.layers.LayerNormalization()(hidden)
        attention = keras.layers.MultiHeadAttention(heads, features // heads, dropout=dropout)
        update = attention(norm, norm)
        hidden = keras.layers.Add()([hidden, keras.layers.Dropout(dropout)(update)])
        norm = keras.layers.LayerNormalization()(hidden)
        wide = keras.layers.Dense(2 * features, activation="gelu")(norm)
        update = keras.layers.Dropout(dropout)(keras.layers.Dense(features)(wide))
        hidden = keras.layers.Add()([hidden, update])
    hidden = keras.layers.LayerNormalization()(hidden)
    activity = keras.layers.Dense(outputs * frames, activation="sigmoid", name="head")(hidden)
    return keras.Model(simulated, Unfold(frames)(activity, simulated), name="transformer")


COMPARISON_NETWORKS: dict[str, Callable[..., Any]] = {
    "encoder_only": encoder_only,
    "temporal_convolution": temporal_convolution,
    "transformer": transformer,
}
