"""Scoring one file against another."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.signals import MuscleMap, score_agreement

Refused = Callable[..., AbstractContextManager[None]]


def wave(
    names: list[str], *, start: float = 0.0, end: float = 5.0, rate: float = 100.0, late: float = 0
) -> pd.DataFrame:
    """A 1 Hz wave between 0 and 1 in every column, `late` seconds behind."""
    time = np.arange(round(start * rate), round(end * rate) + 1) / rate
    values = 0.5 + 0.5 * np.sin(2 * np.pi * (time - late))
    return pd.DataFrame({n: values for n in names}, index=pd.Index(time, name="time"))


def test_files_of_different_rate_and_range_are_scored_where_they_overlap() -> None:
    result = score_agreement(
        wave(["tib_ant_r"], rate=1000.0), wave(["tib_ant_r"], start=1.0, end=4.0, rate=50.0)
    )
    assert (result.start, result.end) == (1.0, 4.0)
    assert result.estimate.loc["tib_ant_r", "rmse"] < 1e-3
    assert result.estimate.loc["tib_ant_r", "r"] > 0.9999


def test_a_late_estimate_has_a_positive_lag_and_the_rmse_of_theory() -> None:
    late = 0.1
    result = score_agreement(wave(["soleus_r"]), wave(["soleus_r"], late=late)).estimate.loc[
        "soleus_r"
    ]
    assert result["lag_ms"] == pytest.approx(100.0)
    # The difference of two unit sines apart by p has the amplitude 2 sin(p / 2).
    expected = 0.5 * 2 * np.sin(np.pi * late) / np.sqrt(2)
    assert result["rmse"] == pytest.approx(expected, rel=0.01)
    assert result["r"] == pytest.approx(np.cos(2 * np.pi * late), abs=0.01)
    assert result["nrmse"] == pytest.approx(result["rmse"], rel=0.01)


def test_improvement_is_counted_against_the_baseline() -> None:
    names = ["soleus_r", "tib_ant_r"]
    estimate = wave(names, late=0.02)
    baseline = pd.concat([wave(["soleus_r"], late=0.2), wave(["tib_ant_r"])], axis=1)
    result = score_agreement(wave(names), estimate, baseline)
    assert result.improved == ["soleus_r"]
    assert result.as_json()["improved_count"] == 1 and result.as_json()["muscle_count"] == 2


def test_the_families_of_names_are_paired_by_the_package_map() -> None:
    result = score_agreement(wave(["tib_ant_r", "glut_r"]), wave(["tibant_r", "bflh_r"]))
    assert list(result.estimate.index) == ["tibant_r"]
    assert result.unscored == ["glut_r"]


def test_a_map_pairs_a_channel_with_several_muscles() -> None:
    muscles = MuscleMap.parse({"hamstrings": {"semimem": 0.5, "bifemlh": 0.5}}, "map")
    simulated = pd.concat([wave(["semimem_r"]) * 0.8, wave(["bifemlh_r"]) * 1.2], axis=1)
    result = score_agreement(wave(["hamstrings"]), simulated, muscles=muscles)
    assert result.estimate["rmse"].max() < 1e-12


def test_columns_that_no_map_knows_are_paired_by_their_name() -> None:
    assert list(score_agreement(wave(["delt1_r"]), wave(["delt1_r"])).estimate.index) == ["delt1_r"]


def test_nothing_in_common_is_refused(refused: Refused) -> None:
    with refused("none of the muscles", "'tib_ant_r'", "--muscles"):
        score_agreement(wave(["tib_ant_r"]), wave(["tib_antx_r"]))


def test_a_baseline_that_lacks_a_muscle_is_refused(refused: Refused) -> None:
    names = ["soleus_r", "tib_ant_r"]
    with refused("baseline", "tibialis_anterior"):
        score_agreement(wave(names), wave(names), wave(["soleus_r"]))


def test_no_time_in_common_is_refused(refused: Refused) -> None:
    with refused("no time in common"):
        score_agreement(wave(["soleus_r"]), wave(["soleus_r"], start=10.0, end=12.0))


def test_the_side_is_found_from_the_measured_columns() -> None:
    both = pd.concat([wave(["soleus_l"]), wave(["soleus_r"], late=0.5)], axis=1)
    assert list(score_agreement(wave(["soleus_l"]), both).estimate.index) == ["soleus_l"]
    assert score_agreement(wave(["soleus_l"]), both).estimate["rmse"].max() < 1e-12
