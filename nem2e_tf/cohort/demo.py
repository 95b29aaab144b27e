"""A virtual person's walk, from a leg built in code to its simulated activity and hidden EMG."""

from pathlib import Path

import pandas as pd

from nem2e_tf.cohort.causes import select_causes
from nem2e_tf.cohort.generation import write_hidden_parameters, write_trial
from nem2e_tf.cohort.session import record_session, write_leg
from nem2e_tf.cohort.subject import sample_subject
from nem2e_tf.files import read_storage, write_storage
from nem2e_tf.simulation import Progress, simulate_files

SEED = 9_000_001
"""Seed of people whom no refiner is fitted on; a cohort for training has a smaller seed."""

STRIDES = 5


def write_demo_walk(
    folder: Path, progress: Progress | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[Path]]:
    """Write a virtual person's walk as OpenSim files and simulate it as a recording is simulated.

    Args:
        folder: path. Gets leg.osim, motion.mot, moments.sto and simulated.sto; and measured.sto,
            truth.sto and physiology.json, which the simulation does not read.
        progress: callable or None.

    Returns:
        `(frames, muscles + reserves)` as `nem2e_tf.simulation.simulate` gives it, the person's
        EMG envelopes `(frames, electrodes)`, and the files.
    """
    subject = sample_subject(SEED, 1)
    leg = write_leg(subject, folder / "leg.osim")
    session = record_session(subject, ("walking",), STRIDES, select_causes(), leg)
    start, end = write_trial(session, "walking", folder, raw=False)
    (folder / "emg.sto").replace(folder / "measured.sto")
    write_hidden_parameters(session, folder / "physiology.json")
    simulated = simulate_files(
        leg,
        folder / "motion.mot",
        folder / "moments.sto",
        start=start,
        end=end,
        progress=progress,
    )
    write_storage(simulated, folder / "simulated.sto", "Simulated activity of a synthetic walk")
    measured = read_storage(folder / "measured.sto")
    names = ("leg.osim", "motion.mot", "moments.sto", "simulated.sto",
             "measured.sto", "truth.sto", "physiology.json")  # fmt: skip
    return simulated, measured, [folder / name for name in names]
