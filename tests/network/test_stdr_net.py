"""The network against the theory of additive attention, step by step."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from nem2e_tf.network.stdr_net import (
    PADDING,
    ScheduledSampling,
    build_alignment_model,
    build_training_model,
    stdr_net,
)
from tests.benchmarks.training_speed import build_plain_network, copy_weights, trainable_weights


def activity(windows: int, frames: int, channels: int, seed: int = 0) -> np.ndarray:
    """Synthetic signals in 0-1."""
    return np.random.default_rng(seed).uniform(size=(windows, frames, channels)).astype("float32")


CAUSAL = (3, 4, 1)


@pytest.fixture(
    scope="module",
    params=[
        (1, None),
        pytest.param((4, None), marks=pytest.mark.slow),
        (3, 2),
        pytest.param((1, 4), marks=pytest.mark.slow),
        CAUSAL,
    ],
)
def network(request: pytest.FixtureRequest) -> keras.Model:
    """A small network whose weights are large enough that frames differ."""
    keras.utils.set_random_seed(3)
    frames, reach, *ahead = request.param
    model = stdr_net(
        4, 3, encoder_units=5, decoder_units=6, attention_units=7, frames=frames, reach=reach,
        ahead=ahead[0] if ahead else None,
    )  # fmt: skip
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(1).normal(scale=1.5, size=weight.shape))
    return model


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def numpy_decoder(decoder: Any, encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The equations of Bahdanau, Cho and Bengio, one window, one step at a time, in NumPy.

    Attention is over what the decoder reaches.
    """

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
    for step in range(len(encoded)):
        reached = range(len(encoded))
        if decoder.attention_window is not None:
            before, after = decoder.attention_window
            reached = range(max(0, step - before), min(len(encoded), step + after + 1))
        energies = np.array(
            [energy[:, 0] @ np.tanh(hidden @ query + encoded[j] @ key + key_bias) for j in reached]
        )
        alignment = np.zeros(len(encoded))
        alignment[reached] = np.exp(energies - energies.max())
        alignment /= alignment.sum()
        context = alignment @ encoded
        gates = np.concatenate([output, context]) @ wx + hidden @ wh + b
        i, f, g, o = np.split(gates, 4)
        carry = sigmoid(f) * carry + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(carry)
        output = sigmoid(np.concatenate([hidden, context]) @ head + head_bias)
        outputs.append(output)
        rows.append(alignment)
    return np.array(outputs), np.array(rows)


def steps(time: int, network: keras.Model) -> int:
    """Steps that so many frames make, the last one perhaps not full."""
    return -(-time // network.get_layer("steps").frames)


def test_every_row_of_the_alignment_adds_up_to_one(network: keras.Model) -> None:
    _, alignment = build_alignment_model(network).predict(activity(4, 20, 4), verbose=0)
    assert alignment.shape == (4, steps(20, network), steps(20, network))
    assert (alignment >= 0).all()
    np.testing.assert_allclose(alignment.sum(axis=-1), 1.0, atol=1e-5)


def test_attention_does_not_look_beyond_its_reach(network: keras.Model) -> None:
    _, alignment = build_alignment_model(network).predict(activity(2, 40, 4), verbose=0)
    places = np.arange(alignment.shape[1])
    before, after = network.get_layer("decoder").attention_window or (len(places), len(places))
    away = places - places[:, None]
    within = (-before <= away) & (away <= after)
    assert (alignment[:, within] > 0).all()
    assert (alignment[:, ~within] == 0).all()


@pytest.mark.parametrize("network", [CAUSAL], indirect=True)
def test_a_causal_network_knows_nothing_of_later_steps(network: keras.Model) -> None:
    x = activity(1, 60, 4)
    later = x.copy()
    later[:, 36:] = 0.0
    before, after = (network.predict(series, verbose=0)[0] for series in (x, later))
    # Step 10 sees the motion up to frame 35, step 11 up to frame 38.
    np.testing.assert_array_equal(before[:33], after[:33])
    assert np.abs(before[33:36] - after[33:36]).min() > 1e-4


def test_a_network_that_looks_further_ahead_than_it_reaches_is_refused() -> None:
    with pytest.raises(ValueError, match="ahead of 5 steps is not within a reach of 4"):
        stdr_net(4, 3, reach=4, ahead=5)


def test_attention_does_not_look_at_padding(network: keras.Model) -> None:
    padded = activity(2, 20, 4)
    padded[1, 13:] = PADDING
    _, alignment = build_alignment_model(network).predict(padded, verbose=0)
    end = steps(13, network)
    assert (alignment[1, :end, end:] == 0).all()
    np.testing.assert_allclose(alignment[1, :end, :end].sum(axis=-1), 1.0, atol=1e-5)
    assert (alignment[0, :, end:] > 0).any()


def test_padding_does_not_change_what_comes_before_it(network: keras.Model) -> None:
    whole = activity(1, 13, 4)
    padded = np.concatenate([whole, np.full((1, 7, 4), PADDING, "float32")], axis=1)
    np.testing.assert_allclose(
        network.predict(padded, verbose=0)[:, :13], network.predict(whole, verbose=0), atol=1e-6
    )


def test_the_free_running_graph_equals_a_numpy_decoder(network: keras.Model) -> None:
    frames = network.get_layer("steps").frames
    x = activity(3, 25, 4)  # no whole number of steps
    encoded = keras.Model(network.input, network.get_layer("encoded").output).predict(x, verbose=0)
    outputs, alignment = build_alignment_model(network).predict(x, verbose=0)
    assert np.ptp(outputs) > 0.2, "weights too small to tell anything"
    assert outputs.shape == (3, 25, 3)
    for window in range(3):
        expected, rows = numpy_decoder(network.get_layer("decoder"), encoded[window])
        assert expected.shape == (steps(25, network), 3 * frames)
        np.testing.assert_allclose(outputs[window], expected.reshape(-1, 3)[:25], atol=2e-5)
        np.testing.assert_allclose(alignment[window], rows, atol=2e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_training_gives_the_gradient_that_a_plain_keras_rnn_gives(
    network: keras.Model, share: float
) -> None:
    frames, reach = network.get_layer("steps").frames, network.get_layer("decoder").reach
    if network.get_layer("decoder").ahead is not None:
        pytest.skip("the plain network looks to both sides")
    plain = build_plain_network(
        4, 3, encoder_units=5, decoder_units=6, attention_units=7, frames=frames, reach=reach
    )
    network.get_layer("decoder").teacher_forcing.assign(share)
    copy_weights(network, plain)
    x, y = activity(5, 20, 4), tf.constant(activity(5, 20, 3, seed=2))
    x[2, 13:] = PADDING
    found: list[tuple[Any, list[Any]]] = []
    for model, learnt in (
        (build_training_model(network), trainable_weights(network)),
        (plain, trainable_weights(plain)),
    ):
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        with tf.GradientTape() as tape:
            output = model({"simulated": tf.constant(x), "measured": y}, training=True)
            loss = tf.reduce_mean((output - y)[:, :13] ** 2)
        found.append((output, tape.gradient(loss, learnt)))
    (output, gradients), (expected, expected_gradients) = found
    np.testing.assert_allclose(output[:, :13], expected[:, :13], atol=1e-6)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_the_gradient_of_activity_and_alignment_is_that_of_the_free_running_graph(
    network: keras.Model,
) -> None:
    decoder = network.get_layer("decoder")
    random = np.random.default_rng(11)
    features = network.get_layer("encoded").output.shape[-1]
    encoded = tf.constant(random.normal(size=(3, 9, features)), tf.float32)
    mask = tf.constant(np.arange(9) < [[9], [6], [9]])
    counted = tf.cast(mask, tf.float32)[..., None]  # what a step in padding gives is nobody's
    weight = tf.constant(random.normal(size=(3, 9, 9)), tf.float32)
    found = []
    for training in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(encoded)
            output, alignment = decoder(encoded, mask=mask, training=training)
            loss = tf.reduce_sum(counted * output**2)
            loss += tf.reduce_sum(counted * weight * alignment)
        found.append(tape.gradient(loss, [encoded, *decoder.trainable_weights]))
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * np.abs(other).max())


def test_the_teacher_is_asked_in_training_alone(network: keras.Model) -> None:
    x, y = activity(2, 12, 4), activity(2, 12, 3, seed=9)
    fitted = {"simulated": x, "measured": y}
    trainer = build_training_model(network)
    network.get_layer("decoder").teacher_forcing.assign(1.0)
    network.get_layer("encoded").rate = 0.0  # no dropout, so that passes can be compared
    free = network(x).numpy()
    np.testing.assert_allclose(trainer(fitted, training=False), free, atol=1e-6)
    taught = trainer(fitted, training=True).numpy()
    first = network.get_layer("steps").frames
    np.testing.assert_allclose(taught[:, :first], free[:, :first], atol=1e-6)
    assert np.abs(taught[:, first:] - free[:, first:]).max() > 1e-3


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
    taught = build_training_model(network)({"simulated": x, "measured": y}, training=True)
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
        channels, channels, encoder_units=16, decoder_units=24, attention_units=24, dropout=0.0,
        frames=1, reach=None,
    )  # fmt: skip
    trainer = build_training_model(network)
    trainer.compile(keras.optimizers.Adam(4e-3), "mse")
    x = activity(2048, frames, channels)
    trainer.fit(
        {"simulated": x, "measured": late(x)}, late(x),
        batch_size=64, epochs=45, verbose=0, callbacks=[ScheduledSampling(20)],
    )  # fmt: skip
    unseen = activity(64, frames, channels, seed=5)
    outputs, alignment = build_alignment_model(network).predict(unseen, verbose=0)
    error = np.sqrt(np.mean((outputs - late(unseen)) ** 2))
    assert error < 0.3 * unseen.std()
    looked_at = alignment[:, delay:].argmax(axis=-1)
    shift = np.arange(delay, frames) - looked_at
    assert (shift == delay).mean() > 0.9
