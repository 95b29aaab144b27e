"""Lists of trials, and the windows that training is fed with."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.dataset import COLUMNS, Pair, Trial, maxima, pair, read_trials, windows
from nem2e_tf.muscles import MuscleMap
from nem2e_tf.stdr_net import PADDING

Refused = Callable[..., AbstractContextManager[None]]
ROW = {
    "subject": "s1", "task": "walking", "model": "leg.osim", "motion": "ik.sto", "loads": "",
    "moments": "id.sto", "emg": "emg.sto", "start": "0", "end": "10",
}  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with the files that `ROW` names, empty."""
    for name in ("leg.osim", "ik.sto", "id.sto", "emg.sto"):
        (tmp_path / name).touch()
    return tmp_path


def write(study: Path, *rows: dict[str, str]) -> Path:
    path = study / "trials.csv"
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path


def test_a_trial_names_its_files_within_the_folder(study: Path) -> None:
    (trial,) = read_trials(write(study, ROW))
    assert trial == Trial(
        "s1", "walking", study / "leg.osim", study / "ik.sto", None, study / "id.sto",
        study / "emg.sto", 0.0, 10.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "column", "fault"),
    [
        ({"motion": "ik2.sto"}, "motion", "no file 'ik2.sto'"),
        ({"motion": ""}, "motion", "is empty"),
        ({"emg": "../secret.sto"}, "emg", "leads out of the folder"),
        ({"emg": "/etc/hostname"}, "emg", "leads out of the folder"),
        ({"start": "soon"}, "start", "'soon' is not a time"),
        ({"end": "nan"}, "end", "is not after"),
        ({"start": "11"}, "end", "is not after the start"),
        ({"task": " "}, "task", "is empty"),
    ],
)
def test_a_fault_in_a_list_of_trials_is_named_by_line_and_column(
    study: Path, refused: Refused, change: dict[str, str], column: str, fault: str
) -> None:
    path = write(study, ROW, ROW | change)
    with refused(path, "line 3", f"'{column}'", fault):
        read_trials(path)


def test_a_missing_column_of_the_list_is_named(study: Path, refused: Refused) -> None:
    path = study / "trials.csv"
    path.write_text("subject,task,model,motions,loads,moments,emg,start,end\n")
    with refused(path, "'motion'", "nearest is 'motions'"):
        read_trials(path)


def test_an_empty_list_is_refused(study: Path, refused: Refused) -> None:
    with refused("no trials"):
        read_trials(write(study))


def made_up(frames: int) -> Pair:
    """A synthetic pair whose measured values count the frames."""
    index = pd.Index(np.arange(frames) / 100.0, name="time")
    count = np.arange(1.0, frames + 1.0)
    simulated = pd.DataFrame({"a": count, "b": 2 * count}, index=index)
    measured = pd.DataFrame({"c": count}, index=index)
    trial = Trial("s1", "walking", Path(), Path(), None, None, None, 0.0, frames / 100.0)
    return Pair(trial, simulated, measured)


def cut(pairs: list[Pair], frames: int, hop: int, **options: int) -> list[np.ndarray]:
    ones = {"a": 1.0, "b": 1.0}, {"c": 1.0}
    dataset = windows(pairs, *ones, frames=frames, hop=hop, batch=4, **options)  # type: ignore[arg-type]
    return [np.concatenate(part) for part in zip(*dataset.as_numpy_iterator(), strict=True)]


def test_windows_cover_every_frame_and_keep_both_sides_together() -> None:
    x, y, mask = cut([made_up(47)], frames=20, hop=10)
    assert x.shape == (4, 20, 2) and y.shape == (4, 20, 1) and mask.all()
    assert set(y.astype(int).ravel()) == set(range(1, 48))
    np.testing.assert_array_equal(x[..., 0], y[..., 0])
    np.testing.assert_array_equal(x[..., 1], 2 * y[..., 0])


def test_a_trial_shorter_than_a_window_is_padded_and_masked() -> None:
    x, _, mask = cut([made_up(12)], frames=20, hop=10)
    assert (x[0, 12:] == PADDING).all()
    np.testing.assert_array_equal(mask[0], np.arange(20) < 12)


def test_no_window_spans_two_trials() -> None:
    _, y, _ = cut([made_up(30), made_up(30)], frames=20, hop=10)
    assert (np.diff(y[..., 0], axis=1) == 1).all()


def test_shuffling_repeats_under_its_seed_and_changes_from_pass_to_pass() -> None:
    recordings, ones = [made_up(300)], ({"a": 1.0, "b": 1.0}, {"c": 1.0})

    def passes() -> list[np.ndarray]:
        dataset = windows(recordings, *ones, frames=20, hop=5, batch=64, seed=7)
        return [next(iter(dataset))[1].numpy() for _ in range(2)]

    (first, second), again = passes(), passes()
    np.testing.assert_array_equal(first, again[0])
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(np.sort(first.ravel()), np.sort(second.ravel()))


def test_blocks_of_a_trial_share_no_frame() -> None:
    whole = made_up(1000)
    parts = [whole.block(*share) for share in ((0, 0.5), (0.5, 0.6), (0.62, 1.0))]
    times = np.concatenate([p.measured.index for p in parts])
    assert len(set(times)) == len(times) == 980


def test_maxima_are_taken_over_all_recordings() -> None:
    assert maxima([made_up(10).simulated, made_up(30).simulated]) == {"a": 30.0, "b": 60.0}


def test_a_recording_is_paired_with_its_emg_and_not_simulated_twice(
    lower_limb: Path, tmp_path: Path
) -> None:
    trial = lower_limb / "walk45"
    recording = Trial(
        "06", "walking", lower_limb / "gait2392.osim", trial / "ik.sto", None, trial / "id.sto",
        trial / "emgFilt.sto", 2.0, 3.0,
    )  # fmt: skip
    muscles = MuscleMap.load()
    channels = list(muscles.channels)
    frames: list[int] = []

    def paired() -> Pair:
        return pair(
            recording, channels, channels, muscles, 100.0, tmp_path, lambda n, _: frames.append(n)
        )

    first = paired()
    assert frames[-1] == len(first.simulated) == len(first.measured) == 101
    np.testing.assert_array_equal(first.simulated.index, first.measured.index)
    done = len(frames)
    again = paired()
    assert len(frames) == done
    pd.testing.assert_frame_equal(first.simulated, again.simulated)
