"""STDR-Net: a sequence-to-sequence network that refines simulated muscle activity.

The model is `stdr_net`. Before it stand the layers that it needs beside Keras's own and
`AttentionDecoder`; after it the models that training and pictures of the attention use, which share
its layers and weights.

Teramae, Matsubara, Noda and Morimoto (2025), "Neural-enhanced motion-to-EMG: refining simulated
muscle activity from musculoskeletal models using a Seq2Seq approach", Frontiers in
Bioengineering and Biotechnology, doi 10.3389/fbioe.2025.1611414.
"""

from typing import Any

import keras
import tensorflow as tf

from nem2e_tf.edge import PADDING
from nem2e_tf.network.decoder import AttentionDecoder


@keras.saving.register_keras_serializable("nem2e_tf")
class PaddingMask(keras.layers.Layer):
    """Mask of padding: `(batch, time, channels)` to `(batch, time)` bool, False on padding."""

    def call(self, simulated: Any) -> Any:
        """See the class."""
        return keras.ops.any(keras.ops.not_equal(simulated, PADDING), axis=-1)


@keras.saving.register_keras_serializable("nem2e_tf")
class Fold(keras.layers.Layer):
    """Joins frames into steps: `(batch, time, channels)` to `(batch, steps, frames * channels)`.

    The last step is filled with `PADDING`.

    Args:
        frames: int. Frames of a step.
    """

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, series: Any) -> Any:
        """See the class."""
        channels = series.shape[-1]
        time = series.shape[1] or tf.shape(series)[1]
        # No negative operands: integer division rounds towards zero in ONNX.
        steps = (time + self.frames - 1) // self.frames
        missing = steps * self.frames - time
        padded = tf.pad(series, [[0, 0], [0, missing], [0, 0]], constant_values=PADDING)
        return tf.reshape(padded, (tf.shape(series)[0], steps, self.frames * channels))

    def compute_output_shape(self, shape: Any) -> Any:
        """Shape of the folded series."""
        batch, time, channels = shape
        return batch, None if time is None else -(-time // self.frames), self.frames * channels

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable("nem2e_tf")
class Unfold(keras.layers.Layer):
    """Inverse of `Fold`: `(batch, steps, frames * channels)` to `(batch, time, channels)`.

    Args:
        frames: int. Frames of a step.

    Call arguments:
        steps: `(batch, steps, frames * channels)`.
        series: `(batch, time, any)`. Gives the length of the result.
    """

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames
        self.supports_masking = True

    def call(self, steps: Any, series: Any) -> Any:
        """See the class."""
        channels = steps.shape[-1] // self.frames
        time = series.shape[1] or tf.shape(series)[1]
        return tf.reshape(steps, (tf.shape(steps)[0], -1, channels))[:, :time]

    def compute_mask(self, *_: Any) -> None:
        """None: the mask is one of steps, not of frames; the loss takes sample weights instead."""

    def compute_output_shape(self, steps_shape: Any, series_shape: Any) -> Any:
        """Shape of the series."""
        return *series_shape[:2], steps_shape[-1] // self.frames

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor."""
        return super().get_config() | {"frames": self.frames}


def stdr_net(
    inputs: int,
    outputs: int,
    *,
    encoder_units: int = 32,
    decoder_units: int = 48,
    attention_units: int = 32,
    dropout: float = 0.1,
    frames: int = 4,
    reach: int | None = 5,
    ahead: int | None = None,
) -> keras.Model:
    """STDR-Net as a functional Keras model that feeds back its own output.

    Teramae et al. (2025), doi 10.3389/fbioe.2025.1611414. Only the abstract of the paper was
    available: sizes and training are chosen here, by measurement. The attention is the additive
    one of Bahdanau, Cho and Bengio (2015), arXiv 1409.0473. Departures from it:

    - LSTM cells instead of GRUs: embedded runtimes have a kernel for them.
    - A sigmoid head instead of the maxout output layer; the envelope itself is fed back, not an
      embedded word.
    - Encoder and decoder take steps of several frames, as the decoder of Wang et al. (2017),
      "Tacotron", arXiv 1703.10135: envelopes change slowly compared with the frame rate.
    - Attention is limited to a `reach` around the step itself, the local attention of Luong, Pham
      and Manning (2015), arXiv 1508.04025.

    Args:
        inputs: int. Number of simulated channels.
        outputs: int. Number of muscles.
        encoder_units: int. Hidden size of the encoder's LSTM, in each direction.
        decoder_units: int. Hidden size of the decoder's LSTM.
        attention_units: int. Size of the space in which decoder state and encoded steps are
            compared.
        dropout: float. Dropout rate of the encoded features, in training.
        frames: int. Frames of one step of encoder and decoder.
        reach: int or None. Steps to either side that attention covers; None: all.
        ahead: int or None. Steps of look-ahead: attention covers no more steps ahead, and the
            encoder is unidirectional. For streams. None: the whole window.

    Returns:
        keras.Model. Maps `(batch, time, inputs)`, simulated activity with each channel divided by
        its training maximum, to `(batch, time, outputs)`, envelopes 0-1, 1 being the training
        maximum, of any length of time. Frames that hold `PADDING` in all channels are masked.

    Example:

    >>> import numpy as np
    >>> model = stdr_net(inputs=9, outputs=9)
    >>> simulated = np.random.rand(1, 100, 9).astype("float32")
    >>> measured = np.random.rand(1, 100, 9).astype("float32")
    >>> trainer = build_training_model(model)
    >>> trainer.compile("adam", "mse")
    >>> history = trainer.fit({"simulated": simulated, "measured": measured}, measured, verbose=0)
    >>> model.predict(simulated, verbose=0).shape
    (1, 100, 9)
    """
    # Layers
    fold, unfold = Fold(frames, name="steps"), Unfold(frames, name="frames")
    padding_mask = PaddingMask(name="mask")
    if ahead is None:
        lstm = keras.layers.LSTM(encoder_units, return_sequences=True)
        encoder = keras.layers.Bidirectional(lstm, name="encoder")
    else:
        encoder = keras.layers.LSTM(encoder_units, return_sequences=True, name="encoder")
    dropout_layer = keras.layers.Dropout(dropout, name="encoded")
    decoder = AttentionDecoder(
        decoder_units, attention_units, outputs * frames, reach, ahead, name="decoder"
    )

    # Functional model
    simulated = keras.Input((None, inputs), name="simulated")  # (batch, time, inputs)
    steps = fold(simulated)  # (batch, steps, frames * inputs)
    mask = padding_mask(steps)  # (batch, steps)
    encoded = encoder(steps, mask=mask)  # (batch, steps, directions * encoder_units)
    encoded = dropout_layer(encoded)
    activity, _ = decoder(encoded, mask=mask)  # (batch, steps, frames * outputs)
    envelopes = unfold(activity, simulated)  # (batch, time, outputs)

    # Config: a functional model is serialised from its layers; each has its own `get_config`.
    return keras.Model(simulated, envelopes, name="stdr_net")


def build_training_model(model: keras.Model) -> keras.Model:
    """Model to fit: the same layers and weights, with the measured envelopes as a second input.

    Args:
        model: keras.Model made by `stdr_net`. Fitting the result fits this model.

    Returns:
        Model of `{"simulated": (batch, time, inputs), "measured": (batch, time, outputs)}` to
        `(batch, time, outputs)`. `evaluate` and `predict` do not use `measured`.
    """
    fold, unfold, decoder = (model.get_layer(name) for name in ("steps", "frames", "decoder"))
    measured = keras.Input((None, model.output_shape[-1]), name="measured")
    activity, _ = decoder(
        model.get_layer("encoded").output, fold(measured), mask=model.get_layer("mask").output
    )
    inputs = {"simulated": model.input, "measured": measured}
    return keras.Model(inputs, unfold(activity, measured), name="stdr_net_with_teacher")


def build_alignment_model(model: keras.Model) -> keras.Model:
    """Model that also returns the attention: the same layers and weights.

    Args:
        model: keras.Model made by `stdr_net`.

    Returns:
        Model of `(batch, time, inputs)` to activity `(batch, time, outputs)` and alignment
        `(batch, steps, steps)`, in steps of the network's `frames`; see `AttentionDecoder`.
    """
    _, alignment = model.get_layer("decoder").output
    return keras.Model(model.input, [model.output, alignment], name="stdr_net_with_alignment")


class ScheduledSampling(keras.callbacks.Callback):
    """Scheduled sampling: teacher forcing falls linearly from 1 to 0.

    Args:
        epochs: int. First epoch in which the decoder is fed only its own output.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the probability of teacher forcing for this epoch."""
        share = max(0.0, 1.0 - epoch / self.epochs) if self.epochs > 0 else 0.0
        self.model.get_layer("decoder").teacher_forcing.assign(share)


# Former names, kept for one version.
with_teacher, with_alignment = build_training_model, build_alignment_model
