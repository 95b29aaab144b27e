"""A trained refiner: its folder, its card, and what it makes of a recording."""

import json
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nem2e_tf
from nem2e_tf.edge import shipped_refiners
from nem2e_tf.refiner import CARD, Refiner
from nem2e_tf.refiner.runtimes import WEIGHTS

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture(scope="module")
def walking() -> Refiner:
    return nem2e_tf.load("walking")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a shipped refiner, to be spoilt."""
    return Path(shutil.copytree(shipped_refiners()["walking"], tmp_path / "mine"))


def recording(frames: int, names: list[str], rate: float = 100.0) -> pd.DataFrame:
    """Synthetic simulated activity: smooth bursts in 0.01-1."""
    time = np.arange(frames) / rate
    phase = 2 * np.pi * (time[:, None] + np.linspace(0, 0.9, len(names)))
    values = 0.01 + 0.6 * np.clip(np.sin(phase), 0, None) ** 2
    return pd.DataFrame(values, index=pd.Index(time, name="time"), columns=names)


GAIT2392 = [
    "soleus_r", "med_gas_r", "lat_gas_r", "tib_ant_r", "semimem_r", "bifemlh_r", "vas_lat_r",
    "rect_fem_r", "vas_med_r",
]  # fmt: skip
RAJAGOPAL = [
    "soleus_l", "gasmed_l", "gaslat_l", "tibant_l", "semimem_l", "bflh_l", "vaslat_l", "recfem_l",
    "vasmed_l",
]  # fmt: skip


def test_walking_and_running_are_shipped_small() -> None:
    assert {"walking", "running"} <= set(shipped_refiners())
    for path in shipped_refiners().values():
        assert sum(f.stat().st_size for f in path.iterdir() if f.name in (CARD, WEIGHTS)) < 2e6


def test_columns_are_named_as_the_model_names_its_muscles(walking: Refiner) -> None:
    assert list(walking.refine(recording(150, GAIT2392)).columns) == GAIT2392
    assert list(walking.refine(recording(150, RAJAGOPAL)).columns) == RAJAGOPAL


def test_the_family_of_the_model_does_not_change_the_envelopes(walking: Refiner) -> None:
    ours, theirs = (walking.refine(recording(150, names)) for names in (GAIT2392, RAJAGOPAL))
    np.testing.assert_array_equal(ours.to_numpy(), theirs.to_numpy())


def test_envelopes_come_at_the_rate_of_the_card_whatever_the_recording_has(
    walking: Refiner,
) -> None:
    reference = walking.refine(recording(301, GAIT2392))
    fast = walking.refine(recording(3001, GAIT2392, rate=1000.0))
    np.testing.assert_allclose(fast.index, reference.index, atol=1e-9)
    np.testing.assert_allclose(fast.to_numpy(), reference.to_numpy(), atol=2e-3)


@pytest.mark.parametrize("frames", [16, 99, 100, 101, 149, 150, 151, 420])
def test_a_recording_of_any_length_gives_a_frame_for_each_of_its_own(
    walking: Refiner, frames: int
) -> None:
    simulated = recording(frames, GAIT2392)
    refined = walking.refine(simulated)
    assert len(refined) == frames
    assert np.isfinite(refined.to_numpy()).all()
    highest = [walking.card.output_maximum[c] for c in walking.card.outputs]
    assert (refined.to_numpy() >= 0).all() and (refined.to_numpy() <= highest).all()


def test_a_window_alone_is_what_the_network_says_of_it(walking: Refiner) -> None:
    simulated = recording(100, GAIT2392)
    scale_in = np.array([walking.card.input_maximum[c] for c in walking.card.inputs])
    scale_out = np.array([walking.card.output_maximum[c] for c in walking.card.outputs])
    window = (simulated.to_numpy() / scale_in)[None].astype("float32")
    expected = walking.model.predict(window, verbose=0)[0]
    # Smoothed over the four frames of a step.
    padded = np.pad(expected, ((2, 2), (0, 0)), mode="edge")
    weights = np.array([0.5, 1.0, 1.0, 1.0, 0.5]) / 4.0
    expected = sum(w * padded[i : i + 100] for i, w in enumerate(weights)) * scale_out
    np.testing.assert_allclose(walking.refine(simulated).to_numpy(), expected, atol=1e-6)


def test_the_steps_of_the_network_leave_no_ripple(walking: Refiner) -> None:
    spectrum = np.abs(np.fft.rfft(walking.refine(recording(400, GAIT2392)).to_numpy(), axis=0))
    # 25 Hz is the rate of the steps; an envelope has nothing there.
    assert spectrum[95:106].max() < 0.01 * spectrum[1:40].max()


def test_windows_are_cross_faded_without_a_step(walking: Refiner) -> None:
    refined = walking.refine(recording(600, GAIT2392)).to_numpy()
    maximum = np.array([walking.card.output_maximum[c] for c in walking.card.outputs])
    steps = np.abs(np.diff(refined / maximum, axis=0))
    # Windows begin every 100 frames; a seam would stand out of the steps elsewhere.
    seams = steps[99::100].max()
    assert seams <= np.delete(steps, np.arange(99, len(steps), 100), axis=0).max()


def test_a_missing_muscle_is_named_with_the_nearest(walking: Refiner, refused: Refused) -> None:
    names = ["tib_anterior_r" if n == "tib_ant_r" else n for n in GAIT2392]
    with refused("'tib_ant_r'", "tibialis_anterior", "nearest is 'tib_anterior_r'"):
        walking.refine(recording(120, names))


def test_activity_outside_0_to_1_is_refused(walking: Refiner, refused: Refused) -> None:
    with refused("lat_gas_r", "at time 0 s", "0-1"):
        walking.refine(recording(120, GAIT2392) * 100)


def test_a_number_that_is_none_is_refused(walking: Refiner, refused: Refused) -> None:
    simulated = recording(120, GAIT2392)
    simulated.iloc[40, 2] = np.nan
    with refused("lat_gas_r", "0.4 s"):
        walking.refine(simulated)


def test_an_unknown_name_lists_the_nearest(refused: Refused) -> None:
    with refused("walkin", "nearest is 'walking'"):
        nem2e_tf.load("walkin")


def test_a_folder_without_a_card_is_no_refiner(folder: Path, refused: Refused) -> None:
    (folder / CARD).unlink()
    with refused(folder, "no card.json"):
        nem2e_tf.load(folder)


def test_a_folder_without_a_network_is_no_refiner(folder: Path, refused: Refused) -> None:
    (folder / WEIGHTS).unlink()
    with refused(folder, "no refiner.keras"):
        nem2e_tf.load(folder)


def test_a_network_cut_short_is_refused(folder: Path, refused: Refused) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:5000])
    with refused(folder / WEIGHTS):
        nem2e_tf.load(folder)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"rate": -1}, "rate"),
        ({"rate": "fast"}, "rate"),
        ({"format": 2}, "format"),
        ({"inputs": []}, "inputs"),
        ({"surprise": 1}, "surprise"),
        ({"muscles": {}}, "muscles"),
        ({"input_maximum": {"soleus": 1.0}}, "input_maximum"),
        ({"outputs": ["soleus"], "output_maximum": {"soleus": 1.0}}, "outputs"),
    ],
)
def test_a_wrong_card_is_refused_by_its_field(
    folder: Path, refused: Refused, change: dict[str, object], word: str
) -> None:
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | change))
    with refused(folder, word):
        nem2e_tf.load(folder)


def test_a_card_that_is_not_json_is_refused(folder: Path, refused: Refused) -> None:
    (folder / CARD).write_text("{")
    with refused(folder / CARD):
        nem2e_tf.load(folder)


def test_the_card_names_what_it_was_fitted_on_and_scores_every_muscle(walking: Refiner) -> None:
    recorded = [s for s in walking.card.fitted_on if not s.synthetic]
    assert {s.subject for s in recorded} == {"ceinms-06"}
    assert all(s.end < 36.0 for s in recorded)
    assert len(walking.card.fitted_on) > 50
    seen = {s.subject for s in walking.card.fitted_on}
    assert not any(name.startswith("virtual-0001-") for name in seen)
    for test in ("later time of the same recordings", "virtual people never seen"):
        (scored,) = walking.card.scores[test]["tasks"].values()
        assert set(scored["muscles"]) == set(walking.card.outputs)
        assert 0.85 <= scored["mean"]["coverage"] <= 1.0
