"""Warnings of activity unlike what a refiner was fitted on."""

import numpy as np
import pytest

from nem2e_tf.refiner.familiarity import cadence, describe, feature_names, find_unusual, fit_ranges

CHANNELS = ["soleus", "tibialis_anterior", "vastus_medialis"]
PHASES = np.array([0.0, 0.5, 0.15])


def gait(seconds: float, cycles: float, size: float = 0.5, seed: int = 0) -> np.ndarray:
    """Synthetic bursts of three channels, each at its phase of the cycle: `(frames, 3)`."""
    random = np.random.default_rng(seed)
    turn = cycles * np.arange(round(seconds * 100))[:, None] / 100.0 - PHASES
    bursts = np.clip(np.cos(2 * np.pi * turn), 0.0, None) ** 2
    return 0.01 + size * (1.0 + 0.1 * random.standard_normal(3)) * bursts


@pytest.fixture(scope="module")
def ranges() -> dict[str, tuple[float, float]]:
    """Of 20 people at 0.8-1.1 cycles a second."""
    people = [[gait(10, 0.8 + 0.3 * i / 19, seed=i)] for i in range(20)]
    return fit_ranges(people, CHANNELS, 100.0)


def found(ranges: dict[str, tuple[float, float]], activity: np.ndarray) -> list[str]:
    return [finding.name for finding in find_unusual(activity, ranges, 100.0)]


def test_another_person_of_the_kind_is_familiar(ranges: dict[str, tuple[float, float]]) -> None:
    for seed in range(100, 130):
        assert found(ranges, gait(10, 0.95, seed=seed)) == []
    assert found(ranges, gait(1.5, 0.95)) == []


def test_a_recording_at_half_speed_is_told_by_its_cadence(
    ranges: dict[str, tuple[float, float]],
) -> None:
    (first, *_) = find_unusual(gait(20, 0.475), ranges, 100.0)
    assert first.name == "cadence" and first.value == pytest.approx(0.475, rel=0.02)
    assert "0.47 cycles a second" in str(first) or "0.48 cycles a second" in str(first)


def test_too_strong_activity_is_told_by_the_channel_and_from_when_to_when(
    ranges: dict[str, tuple[float, float]],
) -> None:
    activity = gait(30, 1.0)
    activity[1500:, 0] = np.clip(2.0 * activity[1500:, 0], 0.0, 1.0)
    findings = find_unusual(activity, ranges, 100.0, start=100.0)
    assert {f.name for f in findings} == {"mean soleus", "peak soleus"}
    for finding in findings:
        # A window of 4 s tells it once most of a few in a row hold it.
        assert 110.0 < finding.start < 116.0
        assert finding.end == pytest.approx(130.0, abs=0.6)
    assert any("soleus peaks at 1; familiar is" in line for line in describe(findings))


def test_two_muscles_in_place_of_each_other_are_told_by_what_goes_together(
    ranges: dict[str, tuple[float, float]],
) -> None:
    swapped = gait(10, 1.0)[:, [1, 0, 2]]
    assert "soleus with vastus_medialis" in found(ranges, swapped)


def test_activity_in_per_cent_and_activity_that_never_changes_are_loud(
    ranges: dict[str, tuple[float, float]],
) -> None:
    assert {f"mean {c}" for c in CHANNELS} <= set(found(ranges, np.clip(100 * gait(10, 1), 0, 1)))
    constant = find_unusual(np.full((1000, 3), 0.2), ranges, 100.0)
    assert "no cycle that repeats" in " ".join(map(str, constant))
    assert len(found(ranges, np.full((1000, 3), 0.2))) >= 3


def test_what_is_told_is_little_and_the_rest_is_counted(
    ranges: dict[str, tuple[float, float]],
) -> None:
    findings = find_unusual(np.clip(100 * gait(10, 1.0), 0, 1), ranges, 100.0)
    lines = describe(findings)
    assert len(lines) == 4
    assert lines[-1] == f"unlike the training data in {len(findings) - 3} further ways"


def test_one_strange_person_does_not_make_everything_familiar() -> None:
    people = [[gait(10, 0.95, seed=i)] for i in range(19)]
    ranges = fit_ranges([*people, [gait(10, 0.95, size=0.1)]], CHANNELS, 100.0)
    assert "peak soleus" in found(ranges, np.clip(gait(10, 0.95, size=1.0), 0, 1))


def test_ranges_are_named_for_every_channel_and_every_two(
    ranges: dict[str, tuple[float, float]],
) -> None:
    assert list(ranges) == feature_names(CHANNELS)
    assert len(ranges) == 3 + 3 + 1 + 3
    assert all(low < high for low, high in ranges.values())


@pytest.mark.parametrize("cycles", [0.6, 1.0, 1.5])
def test_cadence_is_that_of_the_cycle_not_of_two(cycles: float) -> None:
    activity = gait(8, cycles)
    shape = (activity - activity.mean(axis=0)) / activity.std(axis=0)
    assert cadence(shape, 100.0) == pytest.approx(cycles, rel=0.02)
    noise = np.random.default_rng(0).standard_normal((800, 3))
    assert cadence(noise, 100.0) < 0.1
