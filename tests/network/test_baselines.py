"""The simple corrections that the network is compared with."""

import numpy as np

from nem2e_tf.network.baselines import Ridge, gain


def noise(frames: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(frames, channels))


def test_gain_is_the_least_squares_factor() -> None:
    simulated, measured = noise(200, 3), noise(200, 3, seed=1) + 2 * noise(200, 3)
    for channel, factor in enumerate(gain(simulated, measured)):
        x, y = simulated[:, [channel]], measured[:, channel]
        np.testing.assert_allclose(factor, np.linalg.lstsq(x, y)[0][0])


def test_ridge_learns_a_delay_and_a_mixture_within_its_context() -> None:
    def world(frames: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        x = noise(frames, 2, seed)
        y = 0.3 + np.roll(x[:, [0]], 4, axis=0) - 2 * np.roll(x[:, [1]], -3, axis=0)
        return x[10:-10], y[10:-10]

    (x, y), (later_x, later_y), (unseen_x, unseen_y) = (world(600, seed) for seed in range(3))
    ridge = Ridge(context=5).fit([x], [y], [later_x], [later_y])
    estimate = ridge.predict(unseen_x)
    # Not exact: at the edges of a training block the context holds frames that are not there.
    error = np.sqrt(np.mean((estimate[5:-5] - unseen_y[5:-5]) ** 2))
    assert error < 0.05 * unseen_y.std()


def test_ridge_chooses_a_strong_penalty_where_there_is_nothing_to_learn() -> None:
    parts = [noise(120, 8, seed) for seed in range(4)]
    ridge = Ridge(context=6).fit([parts[0]], [parts[1]], [parts[2]], [parts[3]])
    assert ridge.penalty >= 100
    assert np.abs(ridge.predict(noise(50, 8, 9))).max() < 1.0
