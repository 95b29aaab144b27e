"""Simulated muscle activity of a recorded motion."""

from nem2e_tf.simulation.batch import simulate_trials
from nem2e_tf.simulation.dynamics import inverse_dynamics
from nem2e_tf.simulation.kinematics import inverse_kinematics
from nem2e_tf.simulation.model import COORDINATES, LegModel, load_leg
from nem2e_tf.simulation.recording import Recording, Simulation, simulate_recording
from nem2e_tf.simulation.simulate import PATHS, RESERVE_SUFFIX, simulate, simulate_files
from nem2e_tf.simulation.verdict import Verdict, judge

__all__ = [
    "COORDINATES",
    "PATHS",
    "RESERVE_SUFFIX",
    "LegModel",
    "Recording",
    "Simulation",
    "Verdict",
    "inverse_dynamics",
    "inverse_kinematics",
    "judge",
    "load_leg",
    "simulate",
    "simulate_files",
    "simulate_recording",
    "simulate_trials",
]
