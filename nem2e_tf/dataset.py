"""Recorded trials, simulated and paired with their EMG, as windows for `tf.data`."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from nem2e_tf import signals, simulation
from nem2e_tf.errors import InputError, nearest
from nem2e_tf.files import check_input, read_storage, write_storage
from nem2e_tf.muscles import MuscleMap, combine
from nem2e_tf.signals import common_times, grid, resample
from nem2e_tf.simulation import load_leg, simulate_files
from nem2e_tf.simulation.geometry import Progress

if TYPE_CHECKING:
    import tensorflow as tf

FILES = ("model", "motion", "loads", "moments", "emg")
COLUMNS = ("subject", "task", *FILES, "start", "end")


@dataclass(frozen=True)
class Trial:
    """A recording: whose, of what, in which files, and which part of it counts.

    Args:
        subject: who moved.
        task: what was done, such as `walking`.
        model: the OpenSim model.
        motion: joint motion.
        loads: external loads, or None.
        moments: joint moments, or None.
        emg: measured EMG envelopes, or None.
        start: seconds.
        end: seconds.
    """

    subject: str
    task: str
    model: Path
    motion: Path
    loads: Path | None
    moments: Path | None
    emg: Path | None
    start: float
    end: float

    @property
    def name(self) -> str:
        """How messages and result tables call it."""
        return f"{self.subject} {self.task}"


def read_trials(
    path: str | os.PathLike[str], data: str | os.PathLike[str] | None = None
) -> list[Trial]:
    """Read a list of trials, a CSV with the columns `COLUMNS`.

    Args:
        path: str or path. The CSV. An empty cell in loads, moments or emg means that there is
            none.
        data: str, path or None. Folder that the file names are relative to; None is the CSV's
            own. No name leads out of it.

    Raises:
        InputError: names the line and column of the first fault.
    """
    path = check_input(path, "a list of trials")
    root = (Path(data) if data is not None else path.parent).resolve()
    if not root.is_dir():
        raise InputError(f"{root}: no such folder of recordings")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a CSV table: {' '.join(str(error).split())}") from None
    for column in COLUMNS:
        if column not in table.columns:
            raise InputError(f"{path}: no column '{column}'; {nearest(column, table.columns)}")
    if table.empty:
        raise InputError(f"{path}: no trials below the column names")
    return [_trial(path, root, i + 2, row) for i, row in enumerate(table.to_dict("records"))]


def _trial(path: Path, root: Path, line: int, row: Mapping[Any, Any]) -> Trial:
    def refuse(column: str, fault: str) -> InputError:
        return InputError(f"{path}: line {line}, column '{column}': {fault}")

    files: dict[str, Path | None] = {}
    for column in FILES:
        name = row[column].strip()
        files[column] = (root / name).resolve() if name else None
        file = files[column]
        if file is None:
            if column in ("model", "motion"):
                raise refuse(column, "is empty; a trial needs it")
        elif not file.is_relative_to(root):
            raise refuse(column, f"'{name}' leads out of the folder {root}")
        elif not file.is_file():
            raise refuse(column, f"no file '{name}' in {root}")
    times = []
    for column in ("start", "end"):
        try:
            times.append(float(row[column]))
        except ValueError:
            raise refuse(column, f"'{row[column]}' is not a time in seconds") from None
    if not times[0] < times[1] < float("inf"):
        raise refuse("end", f"{times[1]:g} s is not after the start, {times[0]:g} s")
    for column in ("subject", "task"):
        if not row[column].strip():
            raise refuse(column, "is empty")
    model, motion = files["model"], files["motion"]
    assert model is not None and motion is not None
    return Trial(
        row["subject"].strip(), row["task"].strip(), model, motion,
        files["loads"], files["moments"], files["emg"], times[0], times[1],
    )  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Simulated activity of a trial and its measured envelopes, on one clock.

    Args:
        trial: Trial.
        simulated: `(frames, channels)`, activations 0-1.
        measured: `(frames, channels)`, envelopes 0-1.
    """

    trial: Trial
    simulated: pd.DataFrame
    measured: pd.DataFrame

    def block(self, first: float, last: float) -> "Pair":
        """The part between two shares (0-1) of the trial's length."""
        low, high = (round(share * len(self.simulated)) for share in (first, last))
        return Pair(self.trial, self.simulated.iloc[low:high], self.measured.iloc[low:high])


def pair(
    trial: Trial,
    inputs: Sequence[str],
    outputs: Sequence[str],
    muscles: MuscleMap,
    rate: float,
    cache: Path,
    progress: Progress | None = None,
) -> Pair:
    """Simulate a trial, read its EMG, and put both on one clock.

    The simulation is kept in `cache` under a name made from the content of the trial's files and
    of the code that simulates, and is not made again while they stay the same.

    Args:
        trial: Trial, with moments and emg, of the right leg.
        inputs: channels of simulated activity.
        outputs: channels of measured EMG.
        muscles: MuscleMap.
        rate: float. Hz.
        cache: path. Folder of kept simulations.
        progress: callable or None. Follows the simulation.
    """
    if trial.moments is None or trial.emg is None:
        lacking = "moments" if trial.moments is None else "emg"
        raise InputError(f"trial {trial.name}: has no {lacking}; training and scoring need it")
    digest = hashlib.sha256(repr((trial.start, trial.end)).encode())
    code = [*sorted(Path(simulation.__file__).parent.glob("*.py")), Path(signals.__file__)]
    for file in (trial.model, trial.motion, trial.moments, *code):
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    kept = cache / f"{digest.hexdigest()[:16]}.sto"
    if kept.exists():
        activity = read_storage(kept)
    else:
        leg = load_leg(trial.model, "r")
        activity = simulate_files(
            leg, trial.motion, trial.moments, start=trial.start, end=trial.end, progress=progress
        )
        cache.mkdir(parents=True, exist_ok=True)
        write_storage(activity, kept, f"Simulated muscle activity of {trial.name}")
    envelopes = read_storage(trial.emg)
    low, high = common_times(
        {str(trial.motion): activity, str(trial.emg): envelopes},
        max(trial.start, activity.index[0]), min(trial.end, activity.index[-1]),
    )  # fmt: skip
    times = grid(low, high, rate)
    sources = ((activity, inputs, trial.model), (envelopes, outputs, trial.emg))
    simulated, measured = (
        resample(combine(frame, muscles.require(channels, frame.columns, "r", str(what))), times)
        for frame, channels, what in sources
    )
    return Pair(trial, simulated, measured)


def maxima(frames: Sequence[pd.DataFrame]) -> dict[str, float]:
    """The largest value of every column over all frames, by which a network's channels are scaled.

    Without it, weak channels hardly count in the loss and are not learnt.
    """
    highest = pd.concat([frame.max() for frame in frames], axis=1).max(axis=1)
    return {str(channel): float(value) for channel, value in highest.items()}


def windows(
    pairs: Sequence[Pair],
    input_maximum: Mapping[str, float],
    output_maximum: Mapping[str, float],
    *,
    frames: int,
    hop: int,
    batch: int,
    seed: int | None = None,
) -> "tf.data.Dataset":
    """Cut pairs into overlapping windows.

    A last window that the trial does not fill is padded; its mask says where.

    Args:
        pairs: sequence of Pair.
        input_maximum: what each simulated channel is divided by.
        output_maximum: what each measured channel is divided by.
        frames: int. Frames of a window.
        hop: int. Frames from the start of one window to that of the next.
        batch: int. Windows of a batch.
        seed: int or None. Shuffles the windows anew in every pass; None keeps their order.

    Returns:
        Dataset of `(inputs, measured, mask)`: `(batch, frames, inputs)`, `(batch, frames,
        outputs)` and `(batch, frames)`, float32. Keras takes them as x, y and sample weights.
    """
    import tensorflow as tf

    from nem2e_tf.stdr_net import PADDING

    cut: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for recording in pairs:
        x = (recording.simulated / pd.Series(input_maximum)[recording.simulated.columns]).to_numpy()
        y = (recording.measured / pd.Series(output_maximum)[recording.measured.columns]).to_numpy()
        last = max(0, len(x) - frames)
        for start in sorted({*range(0, last + 1, hop), last}):
            lacking = max(0, start + frames - len(x))
            rows = ((0, lacking), (0, 0))
            cut.append(
                (
                    np.pad(x[start : start + frames], rows, constant_values=PADDING),
                    np.pad(y[start : start + frames], rows),
                    np.arange(frames) < frames - lacking,
                )
            )
    arrays = tuple(np.stack(part).astype(np.float32) for part in zip(*cut, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices(arrays)
    if seed is not None:
        dataset = dataset.shuffle(len(cut), seed=seed, reshuffle_each_iteration=True)
    return dataset.batch(batch).prefetch(tf.data.AUTOTUNE)
