"""The numbers by which a cohort is compared with a recording, against curves known in advance."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.cohort import read_causes
from training.evaluation.cohort_comparison import (
    JOINTS,
    between_people_differences,
    centre_of_activity,
    comparison_measures,
    correlation,
    gait_cycles,
    stride_times,
)

STRIDE = 1.07
TIME = np.arange(0.0, 20.0, 0.01)
PHASE = 2.0 * np.pi * TIME / STRIDE


def test_strides_part_at_the_largest_knee_flexion_finer_than_the_frames() -> None:
    flexion = pd.Series(0.5 + 0.5 * np.cos(PHASE), index=TIME)
    found = stride_times(flexion)
    np.testing.assert_allclose(found, STRIDE * np.arange(1, len(found) + 1), atol=1e-3)


def test_a_cycle_is_the_same_whatever_stride_it_comes_from() -> None:
    frame = pd.DataFrame({"a": np.sin(PHASE)}, index=TIME)
    every = gait_cycles(frame, STRIDE * np.arange(1, 10))
    expected = np.sin(2.0 * np.pi * np.linspace(0.0, 1.0, 101))
    np.testing.assert_allclose(every[:, :, 0], np.tile(expected, (8, 1)), atol=5e-3)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.95])
def test_activity_centres_on_its_burst_even_across_the_end_of_the_cycle(place: float) -> None:
    phase = np.arange(100) / 100.0
    burst = np.exp(5.0 * (np.cos(2.0 * np.pi * (phase - place)) - 1.0)) + 0.2
    assert (centre_of_activity(burst) - 100.0 * place + 50.0) % 100.0 == pytest.approx(50.0)


def test_a_late_simulation_is_described_by_its_lag() -> None:
    index = pd.Index(TIME, name="time")
    motion = pd.DataFrame({joint: -0.5 - 0.5 * np.cos(PHASE) for joint in JOINTS}, index=index)
    moments = pd.DataFrame({f"{joint}_moment": np.sin(PHASE) for joint in JOINTS}, index=index)
    burst = np.maximum(np.sin(PHASE), 0.0) ** 2
    measured = pd.DataFrame({"soleus_r": burst}, index=index).iloc[100:-100]
    late = pd.DataFrame({"soleus_r": np.roll(burst, 8)}, index=index).iloc[100:-100]
    found = comparison_measures(motion, moments, 1.0, late, measured).numbers
    assert found["lag of the simulation (ms)", "soleus_r"] == 80.0
    assert found["stride time (s)", ""] == pytest.approx(STRIDE, abs=1e-3)
    assert found["EMG peak (% of cycle)", "soleus_r"] == pytest.approx(25.0, abs=1.0)
    assert found["EMG variation / peak", "soleus_r"] < 0.02


def mean_cycles(sizes: list[float], shifts: list[float]) -> list[pd.DataFrame]:
    phase = 2.0 * np.pi * np.linspace(0.0, 1.0, 101)
    return [
        pd.DataFrame({"soleus_r": size * (1.0 + 0.5 * np.cos(phase - shift))})
        for size, shift in zip(sizes, shifts, strict=True)
    ]


def test_people_who_differ_in_amplitude_alone_are_alike_in_shape() -> None:
    found = between_people_differences(mean_cycles([0.5, 1.0, 2.0], [0.0, 0.0, 0.0])).loc[
        "soleus_r"
    ]
    assert found["r"] == pytest.approx(1.0)
    assert found["CV"] == pytest.approx(0.0, abs=1e-9)
    assert found["variance ratio"] == pytest.approx(0.0, abs=1e-9)
    assert found["with amplitude"] > 0.5


def test_people_whose_bursts_are_evenly_about_the_cycle_have_nothing_in_common() -> None:
    turns = 2.0 * np.pi * np.arange(4) / 4
    found = between_people_differences(mean_cycles([1.0] * 4, list(turns))).loc["soleus_r"]
    # The mean of the others is the opposite burst.
    assert found["r"] == pytest.approx(-1.0)
    # Each phase has the values 1 +- 0.5 and twice 1, or the like: a variance of 0.125 * 4 / 3.
    assert found["CV"] == pytest.approx(np.sqrt(0.125 * 4.0 / 3.0))
    assert found["variance ratio"] == pytest.approx(4.0 / 3.0, rel=0.01)


def test_correlation_of_shifted_bursts_is_the_cosine_of_the_shift() -> None:
    one, other = (p.to_numpy()[:-1] for p in mean_cycles([1.0, 3.0], [0.0, 1.0]))
    np.testing.assert_allclose(correlation(one, other), [np.cos(1.0)])


@pytest.mark.slow
def test_the_page_of_the_cohort_shows_people_beside_the_recording_and_every_cause(
    lower_limb: Path, tmp_path: Path
) -> None:
    page_command = [sys.executable, "-m", "training.evaluation.cohort_page"]
    command = [*page_command, "--subjects", "3", "--strides", "3"]
    subprocess.run([*command, "-o", tmp_path, "--data", lower_limb.parent], check=True)
    page = (tmp_path / "cohort.md").read_text(encoding="utf-8")
    assert page.startswith("# Virtual people compared with a real person\n\n![")
    assert "Here are 3 people of seed 1" in page and "synthetic" in page
    appendix = (tmp_path / "cohort" / "appendix.md").read_text(encoding="utf-8")
    effects = appendix[appendix.index("## Effect of each") : appendix.index("## Ranges")]
    assert all(f"| {cause.replace('_', ' ')} |" in effects for cause in read_causes())
    assert "3 people" in effects
    for task in ("walking", "running"):
        assert (tmp_path / f"cohort-{task}.png").read_bytes().startswith(b"\x89PNG")
        assert f"(cohort-{task}.png)" in page
    for name in re.findall(r"\]\((cohort/[^)]+)\)", page):
        assert (tmp_path / name).stat().st_size > 100
    people = pd.read_csv(tmp_path / "cohort" / "people.csv")
    assert sorted(set(people["person"])) == [0, 1, 2, 3]
