"""Errors and scores against scipy, theory and their own laws."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nem2e_tf.signals.metrics import (
    LONGEST_LAG,
    correlation_score,
    determination_score,
    lag,
    range_normalised_error,
    root_mean_square_error,
    score_table,
)

RATE = 100.0
TIME = np.arange(400) / RATE


def random_pairs(count: int = 25) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    return [(generator.random((60, 3)), generator.random((60, 3))) for _ in range(count)]


def column(values: np.ndarray) -> np.ndarray:
    return values[:, None]


def bump(delay: float) -> np.ndarray:
    """A burst of activity around 2 s, later by `delay` seconds."""
    return column(np.exp(-(((TIME - 2.0 - delay) / 0.2) ** 2)))


def test_correlation_is_that_of_scipy() -> None:
    for measured, estimate in random_pairs():
        expected = [stats.pearsonr(measured[:, i], estimate[:, i]).statistic for i in range(3)]
        np.testing.assert_allclose(correlation_score(measured, estimate), expected, rtol=1e-12)


def test_error_of_a_constant_offset_is_the_offset() -> None:
    for measured, _ in random_pairs(3):
        offset = np.array([0.0, 0.25, -2.0])
        np.testing.assert_allclose(
            root_mean_square_error(measured, measured + offset), np.abs(offset), atol=1e-15
        )


def test_range_normalised_error_is_a_share_of_the_measured_range() -> None:
    measured, estimate = column(np.array([0.2, 0.6, 0.4])), column(np.array([0.3, 0.5, 0.5]))
    np.testing.assert_allclose(range_normalised_error(measured, estimate), 0.1 / 0.4)


def test_a_sine_a_quarter_period_late_does_not_correlate() -> None:
    measured = column(np.sin(2 * np.pi * TIME))
    late = column(np.sin(2 * np.pi * TIME - np.pi / 2))

    np.testing.assert_allclose(correlation_score(measured, late), 0.0, atol=1e-12)
    # Residual of unrelated sines of one amplitude: twice the variance.
    np.testing.assert_allclose(determination_score(measured, late), 1.0 - 2.0, atol=1e-12)
    np.testing.assert_allclose(root_mean_square_error(measured, late), 1.0, atol=1e-12)


@pytest.mark.parametrize("shift", [0.0, np.pi / 6, np.pi / 3, np.pi])
def test_correlation_of_shifted_sines_is_the_cosine_of_the_shift(shift: float) -> None:
    measured = column(np.sin(2 * np.pi * TIME))
    shifted = column(0.3 + 5.0 * np.sin(2 * np.pi * TIME - shift))

    np.testing.assert_allclose(correlation_score(measured, shifted), np.cos(shift), atol=1e-12)


def test_determination_is_one_for_the_truth_and_zero_for_its_mean() -> None:
    for measured, _ in random_pairs(3):
        mean = np.broadcast_to(measured.mean(axis=0), measured.shape)
        np.testing.assert_allclose(determination_score(measured, measured), 1.0)
        np.testing.assert_allclose(determination_score(measured, mean), 0.0, atol=1e-12)


def test_determination_of_a_least_squares_line_is_its_squared_correlation() -> None:
    for measured, estimate in random_pairs():
        fitted = np.empty_like(measured)
        for i in range(3):
            line = stats.linregress(estimate[:, i], measured[:, i])
            fitted[:, i] = line.intercept + line.slope * estimate[:, i]
        np.testing.assert_allclose(
            determination_score(measured, fitted),
            correlation_score(measured, estimate) ** 2,
            atol=1e-12,
        )


def test_scores_obey_their_laws_on_random_data() -> None:
    for measured, estimate in random_pairs():
        r = correlation_score(measured, estimate)
        error = root_mean_square_error(measured, estimate)
        assert (np.abs(r) <= 1.0 + 1e-12).all()
        np.testing.assert_allclose(correlation_score(estimate, measured), r, atol=1e-12)
        np.testing.assert_allclose(correlation_score(measured, 2 - 3 * estimate), -r, atol=1e-12)
        np.testing.assert_allclose(root_mean_square_error(estimate, measured), error)
        np.testing.assert_allclose(
            determination_score(measured, estimate), 1 - error**2 / measured.var(axis=0)
        )
        np.testing.assert_allclose(
            range_normalised_error(5 * measured, 5 * estimate),
            range_normalised_error(measured, estimate),
        )


@pytest.mark.parametrize("frames", [-30, -12, -1, 0, 1, 7, 30])
def test_a_late_estimate_has_a_positive_lag_and_an_early_one_a_negative(frames: int) -> None:
    found = lag(bump(0.0), 0.1 + 0.4 * bump(frames / RATE), RATE)

    np.testing.assert_allclose(found, frames * 1000.0 / RATE)


def test_the_lag_is_in_milliseconds_at_any_rate() -> None:
    for rate in (50.0, 200.0, 1000.0):
        time = np.arange(round(4 * rate)) / rate
        measured = column(np.exp(-(((time - 2.0) / 0.2) ** 2)))
        late = column(np.exp(-(((time - 2.1) / 0.2) ** 2)))
        np.testing.assert_allclose(lag(measured, late, rate), 100.0)


def test_the_lag_stays_within_its_bound_and_each_column_has_its_own() -> None:
    measured = np.hstack([bump(0.0)] * 3)
    estimate = np.hstack([bump(0.08), bump(-0.05), bump(0.4)])

    found = lag(measured, estimate, RATE)

    np.testing.assert_allclose(found[:2], [80.0, -50.0])
    assert found[2] == pytest.approx(LONGEST_LAG * 1000.0)


def test_flat_columns_have_no_score() -> None:
    flat = np.full((400, 1), 0.1)

    assert np.isnan(correlation_score(flat, bump(0.0))).all()
    assert np.isnan(correlation_score(bump(0.0), flat)).all()
    assert np.isnan(determination_score(flat, bump(0.0))).all()
    assert np.isnan(range_normalised_error(flat, bump(0.0))).all()
    assert np.isnan(lag(flat, bump(0.0), RATE)).all()
    assert np.isnan(lag(bump(0.0), flat, RATE)).all()
    # What is not divided by the spread is still there.
    np.testing.assert_allclose(root_mean_square_error(flat, flat + 0.2), 0.2)
    assert np.isfinite(determination_score(bump(0.0), flat)).all()


def test_a_flat_column_spoils_no_other() -> None:
    measured = np.hstack([np.full((400, 1), 0.1), bump(0.0)])
    estimate = np.hstack([bump(0.0), bump(0.05)])

    np.testing.assert_array_equal(np.isnan(lag(measured, estimate, RATE)), [True, False])
    np.testing.assert_array_equal(np.isnan(correlation_score(measured, estimate)), [True, False])


def test_the_table_has_a_row_a_muscle_and_every_measure() -> None:
    names = ["soleus_r", "tib_ant_r"]
    measured = pd.DataFrame(np.hstack([bump(0.0), bump(0.3)]), index=TIME, columns=names)
    estimate = pd.DataFrame(np.hstack([bump(0.1), 0.5 * bump(0.3)]), index=TIME, columns=names)

    scores = score_table(measured, estimate, RATE)

    assert list(scores.index) == names
    assert list(scores.columns) == ["rmse", "nrmse", "r", "r2", "lag_ms"]
    np.testing.assert_allclose(scores["lag_ms"], [100.0, 0.0])
    assert scores.loc["tib_ant_r", "r"] == pytest.approx(1.0)
    m, e = measured.to_numpy(), estimate.to_numpy()
    np.testing.assert_array_equal(scores["rmse"], root_mean_square_error(m, e))
    np.testing.assert_array_equal(scores["r2"], determination_score(m, e))


def test_tables_of_different_muscles_or_lengths_are_not_compared() -> None:
    measured = pd.DataFrame({"a": [0.0, 1.0], "b": [1.0, 0.0]})

    for estimate in (measured[["b", "a"]], measured[["a"]], measured.iloc[:1]):
        with pytest.raises(ValueError, match="differ"):
            score_table(measured, estimate, RATE)
