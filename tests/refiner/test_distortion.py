"""What a refiner does to time: delays of every muscle, and the picture."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.refiner import Card, Refiner
from nem2e_tf.refiner.distortion import cycle_starts, delays, mean_cycle, measure_distortion
from nem2e_tf.report import plot_distortion

Refused = Callable[..., AbstractContextManager[None]]
MUSCLES = ["soleus", "tibialis_anterior", "vastus_medialis"]
EARLY = np.array([0.040, 0.083, -0.025])
"""Seconds by which the muscles are early."""


def activity(early: np.ndarray, cycle: float = 1.0, seconds: float = 12.0) -> pd.DataFrame:
    """Synthetic: each muscle has two unlike bursts a cycle."""
    time = np.arange(round(100 * seconds)) / 100.0
    turn = 2 * np.pi * ((time[:, None] + early) / cycle - np.array([0.1, 0.5, 0.8]))
    bursts = np.exp(4 * np.cos(turn) - 4) + 0.4 * np.exp(8 * np.cos(turn + 2.0) - 8)
    return pd.DataFrame(0.02 + 0.6 * bursts, index=pd.Index(time, name="time"), columns=MUSCLES)


@pytest.mark.parametrize("cycle", [0.7, 1.0, 1.3])
def test_delays_that_were_put_in_are_found_to_two_milliseconds(cycle: float) -> None:
    late, true = activity(np.zeros(3), cycle), activity(EARLY, cycle)
    starts, _ = cycle_starts(true, 100.0)
    found = delays(mean_cycle(late, starts), mean_cycle(true, starts), cycle)
    np.testing.assert_allclose(found.median(), 1000.0 * EARLY, atol=2.0)
    assert found.notna().to_numpy().mean() > 0.5


def test_a_delay_of_one_burst_alone_is_found_in_its_part_of_the_cycle() -> None:
    phase = np.arange(100) / 100.0

    def burst(at: float) -> np.ndarray:
        return np.exp(30 * np.cos(2 * np.pi * (phase - at)) - 30)

    true = pd.DataFrame({"soleus": burst(0.25) + burst(0.75)})
    late = pd.DataFrame({"soleus": burst(0.25) + burst(0.83)})
    found = delays(late, true, cycle=1.0)["soleus"]
    assert found[25] == pytest.approx(0.0, abs=3.0)
    assert found[75] == pytest.approx(80.0, abs=3.0)


def test_no_delay_is_told_where_nothing_happens_or_nothing_is_alike() -> None:
    phase = np.arange(100) / 100.0
    burst = np.exp(60 * np.cos(2 * np.pi * (phase - 0.5)) - 60)
    noise = np.random.default_rng(0).standard_normal(100)
    true = pd.DataFrame({"soleus": burst, "flat": np.full(100, 0.1), "unlike": burst})
    late = pd.DataFrame({"soleus": burst, "flat": burst, "unlike": noise})
    found = delays(late, true, cycle=1.0)
    assert found["soleus"][50] == pytest.approx(0.0, abs=0.1)
    assert np.isnan(found["soleus"][0])
    assert found["flat"].isna().all()
    assert found["unlike"].isna().mean() > 0.9


def test_cycles_begin_at_the_peaks_of_a_muscle_that_has_one_a_cycle() -> None:
    starts, origin = cycle_starts(activity(EARLY, cycle=0.9), 100.0)
    assert origin in MUSCLES
    np.testing.assert_allclose(np.diff(starts), 0.9, atol=0.011)


@pytest.fixture(scope="module")
def refiner() -> Refiner:
    """Untrained."""
    ones = {muscle: 1.0 for muscle in MUSCLES}
    card = Card(
        name="tiny", summary="test", inputs=MUSCLES, outputs=MUSCLES, rate=100.0, window=1.0,
        muscles={m: [{m: 1.0}] for m in MUSCLES}, input_maximum=ones, output_maximum=ones,
        unit="test", fitted_on=[], scores={}, versions={},
    )  # fmt: skip
    return Refiner(
        card, stdr_net(3, 3, encoder_units=4, decoder_units=4, attention_units=4, reach=10)
    )


class Shifting(Refiner):
    """Makes every muscle early by what it should."""

    def refine(self, frame: pd.DataFrame, side: str | None = None) -> pd.DataFrame:
        """See the class."""
        return activity(EARLY)


def test_a_refiner_that_shifts_muscles_is_seen_to_do_that(refiner: Refiner) -> None:
    shifting = Shifting(refiner.card, refiner.model)
    found = measure_distortion(shifting, activity(np.zeros(3)), truth=activity(EARLY + 0.01))
    summary = found.summary()
    np.testing.assert_allclose(summary["delay"], 1000.0 * EARLY, atol=2.0)
    np.testing.assert_allclose(summary["true_delay"], 1000.0 * EARLY + 10.0, atol=2.0)
    assert found.lines()[0] == "soleus: simulated 40 ms late, in truth 50 ms late"
    assert found.cycle == pytest.approx(1.0, abs=0.002)
    assert found.as_json()["mean"]["soleus"]["delay"] == summary["delay"]["soleus"]


def test_a_mean_is_not_told_of_a_muscle_most_of_whose_activity_has_no_delay(
    refiner: Refiner,
) -> None:
    found = measure_distortion(Shifting(refiner.card, refiner.model), activity(np.zeros(3)))
    few = found.delays.copy()
    few.loc[few.index != few.index[found.refined["soleus"].argmax()], "soleus"] = np.nan
    summary = replace(found, delays=few).summary()["delay"]
    assert np.isnan(summary["soleus"]) and np.isfinite(summary["tibialis_anterior"])
    assert replace(found, delays=few).lines()[0] == "soleus: simulated at no certain delay"


def test_attention_adds_up_to_one_within_the_reach_of_the_decoder(refiner: Refiner) -> None:
    shifting = Shifting(refiner.card, refiner.model)
    attention = measure_distortion(shifting, activity(np.zeros(3))).attention
    np.testing.assert_allclose(attention.sum(axis=1), 1.0, atol=1e-5)
    # Ten steps of four frames to either side.
    assert list(attention.columns) == [40.0 * step for step in range(-10, 11)]


def test_a_picture_is_drawn_with_and_without_a_truth(refiner: Refiner, tmp_path: Path) -> None:
    shifting = Shifting(refiner.card, refiner.model)
    for name, truth in (("with.png", activity(EARLY)[["soleus"]]), ("without.png", None)):
        found = measure_distortion(shifting, activity(np.zeros(3)), truth=truth)
        plot_distortion(found, tmp_path / name, "synthetic")
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
    sizes = [(tmp_path / name).stat().st_size for name in ("with.png", "without.png")]
    assert sizes[0] != sizes[1]


def test_a_recording_without_three_cycles_is_refused(refused: Refused) -> None:
    for few in (activity(EARLY).iloc[:180], activity(EARLY) * 0.0):
        with refused("fewer than three cycles"):
            cycle_starts(few, 100.0)
