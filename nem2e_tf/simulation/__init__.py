"""Simulated muscle activity of a recorded motion."""

from nem2e_tf.simulation.model import COORDINATES, LegModel, load_leg
from nem2e_tf.simulation.simulate import RESERVE_SUFFIX, simulate, simulate_files
from nem2e_tf.simulation.verdict import Verdict, judge, judge_files

__all__ = [
    "COORDINATES",
    "RESERVE_SUFFIX",
    "LegModel",
    "Verdict",
    "judge",
    "judge_files",
    "load_leg",
    "simulate",
    "simulate_files",
]
