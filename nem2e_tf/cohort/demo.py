"""A synthetic walk, from a leg built in code to its simulated muscle activity."""

from pathlib import Path

import pandas as pd

from nem2e_tf.cohort.gait import walking
from nem2e_tf.cohort.leg import build_leg
from nem2e_tf.files import write_storage
from nem2e_tf.simulation import load_leg, simulate_files
from nem2e_tf.simulation.geometry import Progress


def demo_walk(folder: Path, progress: Progress | None = None) -> tuple[pd.DataFrame, list[Path]]:
    """Write a virtual leg and its walk as OpenSim files, and simulate them like a recording.

    Args:
        folder: path. Takes leg.osim, motion.mot, moments.sto and simulated.sto.
        progress: callable or None.

    Returns:
        `(frames, muscles + reserves)` as `nem2e_tf.simulation.simulate` gives it, and the files.
    """
    motion, moments = walking()
    model = folder / "leg.osim"
    build_leg().printToXML(str(model))
    write_storage(motion, folder / "motion.mot", "Joint motion of a synthetic walk")
    write_storage(moments, folder / "moments.sto", "Joint moments of a synthetic walk")
    # The source of the cycle gives no moment about the hip's long axis.
    shared = tuple(str(c).removesuffix("_r_moment") for c in moments.columns)
    simulated = simulate_files(
        load_leg(model, "r", shared),
        folder / "motion.mot",
        folder / "moments.sto",
        progress=progress,
    )
    write_storage(simulated, folder / "simulated.sto", "Simulated activity of a synthetic walk")
    files = [model, *(folder / name for name in ("motion.mot", "moments.sto", "simulated.sto"))]
    return simulated, files
