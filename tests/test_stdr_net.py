"""The network against the theory of additive attention, step by step."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from nem2e_tf.stdr_net import (
    PADDING,
    ScheduledSampling,
    stdr_net,
    with_alignment,
    with_teacher,
)


def activity(windows: int, frames: int, channels: int, seed: int = 0) -> np.ndarray:
    """Synthetic signals in 0-1."""
    return np.random.default_rng(seed).uniform(size=(windows, frames, channels)).astype("float32")


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A small network whose weights are large enough that frames differ."""
    keras.utils.set_random_seed(3)
    model = stdr_net(4, 3, encoder_units=5, decoder_units=6, attention_units=7)
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(1).normal(scale=1.5, size=weight.shape))
    return model


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def numpy_decoder(decoder: Any, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The equations of Bahdanau, Cho and Bengio, one window, one frame at a time, in NumPy."""

    def kernel(layer: Any) -> list[np.ndarray]:
        return [w.numpy().astype(np.float64) for w in layer.weights]

    (first, first_bias), (query,), (key, key_bias) = (
        kernel(layer) for layer in (decoder.first_state, decoder.query, decoder.key)
    )
    ((energy,), (head, head_bias)) = kernel(decoder.energy), kernel(decoder.head)
    wx, wh, b = kernel(decoder.cell)
    hidden = np.tanh(encoded[0] @ first + first_bias)
    carry = np.zeros_like(hidden)
    output = np.zeros(decoder.outputs)
    outputs, rows = [], []
    for _ in range(len(encoded)):
        energies = np.array(
            [energy[:, 0] @ np.tanh(hidden @ query + h @ key + key_bias) for h in encoded]
        )
        alignment = np.exp(energies - energies.max())
        alignment /= alignment.sum()
        context = sum(a * h for a, h in zip(alignment, encoded, strict=True))
        gates = np.concatenate([output, context]) @ wx + hidden @ wh + b
        i, f, g, o = np.split(gates, 4)
        carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(carry)
        output = sigmoid(np.concatenate([hidden, context]) @ head + head_bias)
        outputs.append(output)
        rows.append(alignment)
    return np.array(outputs), np.array(rows)


def test_every_row_of_the_alignment_adds_up_to_one(network: keras.Model) -> None:
    _, alignment = with_alignment(network).predict(activity(4, 20, 4), verbose=0)
    assert alignment.shape == (4, 20, 20)
    assert (alignment >= 0).all()
    np.testing.assert_allclose(alignment.sum(axis=-1), 1.0, atol=1e-5)


def test_attention_does_not_look_at_padding(network: keras.Model) -> None:
    padded = activity(2, 20, 4)
    padded[1, 13:] = PADDING
    _, alignment = with_alignment(network).predict(padded, verbose=0)
    assert (alignment[1, :, 13:] == 0).all()
    np.testing.assert_allclose(alignment[1, :, :13].sum(axis=-1), 1.0, atol=1e-5)
    assert (alignment[0, :, 13:] > 0).any()


def test_padding_does_not_change_what_comes_before_it(network: keras.Model) -> None:
    whole = activity(1, 13, 4)
    padded = np.concatenate([whole, np.full((1, 7, 4), PADDING, "float32")], axis=1)
    np.testing.assert_allclose(
        network.predict(padded, verbose=0)[:, :13], network.predict(whole, verbose=0), atol=1e-6
    )


def test_the_free_running_graph_equals_a_numpy_decoder(network: keras.Model) -> None:
    x = activity(3, 25, 4)
    encoded = keras.Model(network.input, network.get_layer("encoded").output).predict(x, verbose=0)
    outputs, alignment = with_alignment(network).predict(x, verbose=0)
    assert np.ptp(outputs) > 0.2, "weights too small to tell anything"
    for window in range(3):
        expected, rows = numpy_decoder(network.get_layer("decoder"), encoded[window])
        np.testing.assert_allclose(outputs[window], expected, atol=2e-5)
        np.testing.assert_allclose(alignment[window], rows, atol=2e-5)


def test_the_teacher_is_asked_in_training_alone(network: keras.Model) -> None:
    x, y = activity(2, 12, 4), activity(2, 12, 3, seed=9)
    fitted = {"simulated": x, "measured": y}
    trainer = with_teacher(network)
    network.get_layer("encoded").rate = 0.0  # no dropout, so that passes can be compared
    free = network(x).numpy()
    np.testing.assert_allclose(trainer(fitted, training=False), free, atol=1e-6)
    taught = trainer(fitted, training=True).numpy()
    np.testing.assert_allclose(taught[:, 0], free[:, 0], atol=1e-6)
    assert np.abs(taught[:, 1:] - free[:, 1:]).max() > 1e-3


def test_scheduled_sampling_falls_from_one_to_zero(network: keras.Model) -> None:
    callback = ScheduledSampling(epochs=4)
    callback.set_model(network)
    shares = []
    for epoch in range(6):
        callback.on_epoch_begin(epoch)
        shares.append(float(network.get_layer("decoder").teacher_forcing.numpy()))
    assert shares == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]


def test_without_its_share_the_teacher_is_never_asked(network: keras.Model) -> None:
    x, y = activity(2, 12, 4), activity(2, 12, 3, seed=9)
    network.get_layer("encoded").rate = 0.0
    network.get_layer("decoder").teacher_forcing.assign(0.0)
    taught = with_teacher(network)({"simulated": x, "measured": y}, training=True)
    np.testing.assert_allclose(taught, network(x), atol=1e-6)


def test_saving_and_loading_in_safe_mode_is_exact(network: keras.Model, tmp_path: Path) -> None:
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras", safe_mode=True)
    x = activity(3, 30, 4)
    np.testing.assert_array_equal(again.predict(x, verbose=0), network.predict(x, verbose=0))
    for before, after in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())


def test_a_network_can_be_made_again_from_its_config(network: keras.Model) -> None:
    again = keras.Model.from_config(network.get_config())
    again.set_weights(network.get_weights())
    x = activity(2, 10, 4)
    np.testing.assert_array_equal(again.predict(x, verbose=0), network.predict(x, verbose=0))


def test_any_length_of_time_can_be_refined(network: keras.Model) -> None:
    for frames in (1, 7, 150):
        assert network.predict(activity(1, frames, 4), verbose=0).shape == (1, frames, 3)


def test_a_delay_is_learnt_and_the_alignment_shows_it() -> None:
    frames, delay, channels = 16, 3, 3
    keras.utils.set_random_seed(0)

    def late(x: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(x[:, :delay]), x[:, :-delay]], axis=1)

    network = stdr_net(
        channels, channels, encoder_units=16, decoder_units=24, attention_units=24, dropout=0.0
    )
    trainer = with_teacher(network)
    trainer.compile(keras.optimizers.Adam(4e-3), "mse")
    x = activity(2048, frames, channels)
    trainer.fit(
        {"simulated": x, "measured": late(x)}, late(x),
        batch_size=64, epochs=45, verbose=0, callbacks=[ScheduledSampling(20)],
    )  # fmt: skip
    unseen = activity(64, frames, channels, seed=5)
    outputs, alignment = with_alignment(network).predict(unseen, verbose=0)
    error = np.sqrt(np.mean((outputs - late(unseen)) ** 2))
    assert error < 0.3 * unseen.std()
    looked_at = alignment[:, delay:].argmax(axis=-1)
    shift = np.arange(delay, frames) - looked_at
    assert (shift == delay).mean() > 0.9
