"""STDR-Net: a sequence-to-sequence network that refines simulated muscle activity.

Teramae, Matsubara, Noda and Morimoto (2025), "Neural-enhanced motion-to-EMG: refining simulated
muscle activity from musculoskeletal models using a Seq2Seq approach", Frontiers in
Bioengineering and Biotechnology, doi 10.3389/fbioe.2025.1611414.

The attention is the additive one of Bahdanau, Cho and Bengio (2015), "Neural machine translation
by jointly learning to align and translate", arXiv 1409.0473. Departures from it: LSTM cells in
place of GRUs (embedded runtimes have a kernel for them), a sigmoid head in place of the maxout
output layer, and the envelope itself, not an embedded word, fed back. Encoder and decoder go in
steps of several frames, as Wang et al. (2017), "Tacotron", arXiv 1703.10135, let a decoder do:
envelopes change slower than their frames. Attention looks as far as a `reach` to either side, the
local attention of Luong, Pham and Manning (2015), arXiv 1508.04025, around the frame itself.
"""

from typing import Any

import keras
import tensorflow as tf

from nem2e_tf.edge import PADDING
from nem2e_tf.network.decoder import AttentionDecoder


@keras.saving.register_keras_serializable("nem2e_tf")
class PaddingMask(keras.layers.Layer):
    """`(batch, time, channels)` to `(batch, time)` bool, False on frames that are padding."""

    def call(self, simulated: Any) -> Any:
        """See the class."""
        return keras.ops.any(keras.ops.not_equal(simulated, PADDING), axis=-1)


@keras.saving.register_keras_serializable("nem2e_tf")
class Fold(keras.layers.Layer):
    """`(batch, time, channels)` to `(batch, steps, frames * channels)`: some frames in each step.

    The last step is filled up with `PADDING`.

    Args:
        frames: int. Frames in a step.
    """

    def __init__(self, frames: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.frames = frames

    def call(self, series: Any) -> Any:
        """See the class."""
        channels = series.shape[-1]
        time = series.shape[1] or tf.shape(series)[1]
        # Nothing negative is divided: ONNX rounds towards zero.
        steps = (time + self.frames - 1) // self.frames
        missing = steps * self.frames - time
        filled = tf.pad(series, [[0, 0], [0, missing], [0, 0]], constant_values=PADDING)
        return tf.reshape(filled, (tf.shape(series)[0], steps, self.frames * channels))

    def compute_output_shape(self, shape: Any) -> Any:
        """Shape of the folded series."""
        batch, time, channels = shape
        return batch, None if time is None else -(-time // self.frames), self.frames * channels

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this layer again."""
        return super().get_config() | {"frames": self.frames}


@keras.saving.register_keras_serializable("nem2e_tf")
class Unfold(keras.layers.Layer):
    """Steps back to frames: undoes `Fold`, to the length of the series that it is shown."""

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
        """None: a mask of steps says nothing of frames; the loss takes sample weights."""

    def compute_output_shape(self, steps_shape: Any, series_shape: Any) -> Any:
        """Shape of the series."""
        return *series_shape[:2], steps_shape[-1] // self.frames

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this layer again."""
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
    """Build STDR-Net as one functional Keras model that runs freely on its own output.

    Args:
        inputs: int. Simulated channels.
        outputs: int. Muscles.
        encoder_units: int. Hidden state of the encoder's LSTM, in each of its directions.
        decoder_units: int. Hidden state of the decoder's LSTM.
        attention_units: int. Size of the attention's comparison space.
        dropout: float. Share of the encoded features that a training step leaves out.
        frames: int. Frames that encoder and decoder take in one step.
        reach: int or None. Steps to either side that attention looks at; None: all.
        ahead: int or None. Steps to come that the network may know of: attention looks no further
            ahead, and the encoder goes forwards only. For a stream. None: all of the window.

    Returns:
        Model of `(batch, time, inputs)`, simulated activity with each channel divided by its
        training maximum, to `(batch, time, outputs)`, envelopes in 0-1, 1 being the training
        maximum. Any length of time. Frames that hold `PADDING` in all channels are not looked at.

    Example:

        model = stdr_net(inputs=9, outputs=9)
        trainer = with_teacher(model)
        trainer.compile("adam", "mse")
        trainer.fit(dataset, callbacks=[ScheduledSampling(epochs=20)])
        envelopes = model.predict(simulated)
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

    # Graph
    simulated = keras.Input((None, inputs), name="simulated")
    steps = fold(simulated)
    mask = padding_mask(steps)
    encoded = dropout_layer(encoder(steps, mask=mask))
    activity, _ = decoder(encoded, mask=mask)
    return keras.Model(simulated, unfold(activity, simulated), name="stdr_net")


def build_training_model(model: keras.Model) -> keras.Model:
    """The graph to fit: the same layers, with the measured envelopes as teacher.

    Args:
        model: keras.Model made by `stdr_net`. Fitting the result fits it.

    Returns:
        Model of `{"simulated": (batch, time, inputs), "measured": (batch, time, outputs)}` to
        `(batch, time, outputs)`. In `evaluate` and `predict` the teacher is not asked.
    """
    fold, unfold, decoder = (model.get_layer(name) for name in ("steps", "frames", "decoder"))
    measured = keras.Input((None, model.output_shape[-1]), name="measured")
    activity, _ = decoder(
        model.get_layer("encoded").output, fold(measured), mask=model.get_layer("mask").output
    )
    inputs = {"simulated": model.input, "measured": measured}
    return keras.Model(inputs, unfold(activity, measured), name="stdr_net_with_teacher")


def build_alignment_model(model: keras.Model) -> keras.Model:
    """The same layers, giving `(activity, alignment)`.

    Activity is `(batch, time, outputs)`; the alignment `(batch, steps, steps)`, in steps of the
    network's `frames`; see `AttentionDecoder`.
    """
    _, alignment = model.get_layer("decoder").output
    return keras.Model(model.input, [model.output, alignment], name="stdr_net_with_alignment")


class ScheduledSampling(keras.callbacks.Callback):
    """Weans the decoder from its teacher: forcing falls in a straight line from 1 to 0.

    Args:
        epochs: int. The epoch from which the decoder runs freely.
    """

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the share of frames that the teacher gives."""
        share = max(0.0, 1.0 - epoch / self.epochs) if self.epochs > 0 else 0.0
        self.model.get_layer("decoder").teacher_forcing.assign(share)


# Former names, kept for one version.
with_teacher, with_alignment = build_training_model, build_alignment_model
