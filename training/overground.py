"""One stride of another person in another laboratory, from its raw files (opensim-3d-walking)."""

from pathlib import Path

from nem2e_tf.files import check_input, read_storage
from nem2e_tf.muscles import MuscleMap, combine
from nem2e_tf.shards import Pair
from nem2e_tf.signals import grid, resample
from nem2e_tf.simulation import COORDINATES, Recording, load_leg, simulate_recording

SUBJECT = "overground"
RANGE = (0.5, 1.79)
"""Seconds: somewhat more than a stride, all of it on the force plates."""
EMG = MuscleMap.parse(
    {
        "soleus": "soleus",
        "gastrocnemius_medialis": "gastrocnemius",
        "tibialis_anterior": "tibialis_anterior",
        "semimembranosus": "medial_hamstrings",
        "biceps_femoris": "biceps_femoris",
        "vastus_lateralis": "vastus_lateralis",
        "rectus_femoris": "rectus_femoris",
        "vastus_medialis": "vastus_medius",
    },
    "opensim-3d-walking",
)
"""Our channels by those of `electromyography.sto`; its two gluteal ones have none."""


def overground(data: Path) -> Pair:
    """Markers and forces to simulated activity, and the EMG beside it.

    Inverse kinematics, inverse dynamics and static optimisation run as `nem2e estimate` does.

    Args:
        data: path. Folder of the recordings.

    Returns:
        Pair of nine simulated and eight measured channels, 1.29 s at 100 Hz.

    Raises:
        InputError: a file of the recording is missing.
    """
    folder = data / "opensim-3d-walking"
    leg = load_leg(check_input(folder / "subject_walk_scaled.osim", "a model"), "r")
    files = Recording(
        markers=folder / "markers_walk.trc",
        tasks=folder / "ik_tasks_walk.xml",
        loads=folder / "grf_walk.xml",
    )
    made = simulate_recording(leg, files, start=RANGE[0], end=RANGE[1])
    times = grid(made.activity.index[0], made.activity.index[-1])
    muscles = MuscleMap.load()
    columns = muscles.require(muscles.channels, made.activity.columns, "r", str(folder))
    angles = resample(made.motion[list(leg.coordinates)], times)
    measured = resample(read_storage(folder / "electromyography.sto"), times)
    return Pair(
        SUBJECT,
        "walking",
        combine(resample(made.activity, times), columns),
        combine(measured, EMG.require(EMG.channels, measured.columns, "r", str(folder))),
        angles.set_axis(list(COORDINATES), axis=1),
    )
