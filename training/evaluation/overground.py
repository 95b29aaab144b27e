"""One stride of another person in another laboratory, from its raw files (opensim-3d-walking)."""

from pathlib import Path

from nem2e_tf.datasets import find_dataset
from nem2e_tf.files import check_input, read_storage
from nem2e_tf.pipeline import Pair
from nem2e_tf.signals import MuscleMap, combine, resample, time_grid
from nem2e_tf.simulation import COORDINATES, Recording, load_leg, simulate_recording

SET = "opensim-3d-walking"
EMG = MuscleMap.parse(find_dataset(SET).channels, SET)
"""Our channels by those of `electromyography.sto`."""
(STRIDE,) = find_dataset(SET).recorded_trials
"""The trial of the set, somewhat longer than a stride."""


def simulate_overground_stride(data: Path) -> Pair:
    """Simulate the stride from markers and forces, and pair it with its EMG.

    Inverse kinematics, inverse dynamics and static optimisation run as `nem2e estimate` does.

    Args:
        data: path. Folder of the recordings.

    Returns:
        Pair of nine simulated and eight measured channels, 1.29 s at 100 Hz.

    Raises:
        InputError: a file of the recording is missing.
    """
    folder = data / SET
    leg = load_leg(check_input(folder / "subject_walk_scaled.osim", "a model"), "r")
    files = Recording(
        markers=folder / "markers_walk.trc",
        tasks=folder / "ik_tasks_walk.xml",
        loads=folder / "grf_walk.xml",
    )
    simulation = simulate_recording(leg, files, start=STRIDE.start, end=STRIDE.end)
    times = time_grid(simulation.activity.index[0], simulation.activity.index[-1])
    muscles = MuscleMap.load()
    columns = muscles.require_columns(
        muscles.channels, simulation.activity.columns, "r", str(folder)
    )
    angles = resample(simulation.motion[list(leg.coordinates)], times)
    measured = resample(read_storage(folder / "electromyography.sto"), times)
    return Pair(
        STRIDE.subject,
        STRIDE.task,
        combine(resample(simulation.activity, times), columns),
        combine(measured, EMG.require_columns(EMG.channels, measured.columns, "r", str(folder))),
        angles.set_axis(list(COORDINATES), axis=1),
    )
