"""Simulated muscle activity: inverse kinematics and dynamics, muscle geometry, optimisation."""

from nem2e_tf.simulation.batch import simulate_trials
from nem2e_tf.simulation.capacity import ForceCurves, force_curves
from nem2e_tf.simulation.dynamics import LARGEST_RESIDUAL, inverse_dynamics, unsupported_times
from nem2e_tf.simulation.fitting import cache_folder
from nem2e_tf.simulation.geometry import (
    MuscleGeometry,
    Progress,
    coordinate_speeds,
    muscle_geometry,
)
from nem2e_tf.simulation.kinematics import (
    MAX_MARKER_ERROR,
    MAX_MARKER_RMS,
    errors_as_rich,
    inverse_kinematics,
)
from nem2e_tf.simulation.model import COORDINATES, LegModel, load_leg
from nem2e_tf.simulation.recording import Recording, Simulation, Stages, simulate_recording
from nem2e_tf.simulation.scaling import scale_model
from nem2e_tf.simulation.simulate import CUTOFF, PATHS, RESERVE_SUFFIX, simulate, simulate_files
from nem2e_tf.simulation.static import MAX_ACTIVATION, MIN_ACTIVATION, RESERVE
from nem2e_tf.simulation.verdict import Verdict, judge_simulation

__all__ = [
    "COORDINATES",
    "CUTOFF",
    "LARGEST_RESIDUAL",
    "MAX_ACTIVATION",
    "MAX_MARKER_ERROR",
    "MAX_MARKER_RMS",
    "MIN_ACTIVATION",
    "PATHS",
    "RESERVE",
    "RESERVE_SUFFIX",
    "ForceCurves",
    "LegModel",
    "MuscleGeometry",
    "Progress",
    "Recording",
    "Simulation",
    "Stages",
    "Verdict",
    "cache_folder",
    "coordinate_speeds",
    "errors_as_rich",
    "force_curves",
    "inverse_dynamics",
    "inverse_kinematics",
    "judge_simulation",
    "load_leg",
    "muscle_geometry",
    "scale_model",
    "simulate",
    "simulate_files",
    "simulate_recording",
    "simulate_trials",
    "unsupported_times",
]
