"""OpenSim's own inverse dynamics and static optimisation of the overground stride."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import opensim
import pandas as pd

from nem2e_tf.files import read_motion, read_storage, write_storage
from nem2e_tf.signals import low_pass, resample, time_grid
from nem2e_tf.simulation import CUTOFF, MAX_ACTIVATION, MIN_ACTIVATION, LegModel, load_leg
from nem2e_tf.simulation.posture import find_couplers

PELVIS_RESERVE, RESERVE = 100.0, 1.0
"""N or N m: what reserve actuators give at a control of one."""


@contextmanager
def silence_output() -> Iterator[None]:
    """Keep what OpenSim's tools print about the model from standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


@dataclass(frozen=True)
class Stride:
    """The overground stride, made ready for both solvers.

    Args:
        leg: both sides, sharing every free coordinate.
        motion: `(rows, coordinates)` low-passed, the patellae's angles included.
        moments: `(rows, coordinates)`, N m or N, from OpenSim's inverse dynamics of that motion.
        reserves: `(coordinates,)`, N m or N.
    """

    leg: LegModel
    motion: pd.DataFrame
    moments: pd.DataFrame
    reserves: np.ndarray


@dataclass(frozen=True)
class ToolResult:
    """What OpenSim's tool gave.

    Args:
        activation: `(frames, muscles)`.
        reserves: `(frames, coordinates)`, N m or N.
        seconds: float, processor time of the whole run, the model's loading included.
    """

    activation: pd.DataFrame
    reserves: pd.DataFrame
    seconds: float


def stride(recording: Path, folder: Path, rate: float) -> Stride:
    """Filter the recording's motion and take its inverse dynamics with OpenSim.

    Args:
        recording: path. The folder of the recording.
        folder: path. Takes what OpenSim reads and writes.
        rate: float. Hz, to which the motion is resampled.
    """
    leg = load_leg(recording / "subject_walk_scaled.osim", "both", None)
    motion = low_pass(read_motion(recording / "coordinates.sto", leg.rotations), CUTOFF, "motion")
    motion = resample(motion, time_grid(motion.index[0], motion.index[-1], rate))
    # Without their columns OpenSim's tools give the patellae neither their place nor their speed.
    for coupler in find_couplers(leg.model)[0]:
        motion[coupler.dependent] = coupler.value(motion[list(coupler.independent)].to_numpy())
    write_storage(motion, folder / "motion.sto", "motion")
    tool = opensim.InverseDynamicsTool()
    tool.setModelFileName(str(leg.path))
    tool.setCoordinatesFileName(str(folder / "motion.sto"))
    tool.setExternalLoadsFileName(str(recording / "grf_walk.xml"))
    tool.setStartTime(motion.index[0])
    tool.setEndTime(motion.index[-1])
    excluded = opensim.ArrayStr()
    excluded.append("Muscles")
    excluded.append("Actuators")
    tool.setExcludedForces(excluded)
    tool.setResultsDir(str(folder))
    tool.setOutputGenForceFileName("moments.sto")
    with silence_output():
        assert tool.run()
    moments = read_storage(folder / "moments.sto")[leg.generalised_forces]
    reserves = [PELVIS_RESERVE if c.startswith("pelvis") else RESERVE for c in leg.coordinates]
    return Stride(leg, motion, moments, np.array(reserves))


def static_optimisation_tool(
    problem: Stride, recording: Path, folder: Path, start: float, frames: int
) -> ToolResult:
    """Run OpenSim's `StaticOptimization` on some frames of the stride.

    Args:
        problem: Stride.
        recording: path. The folder of the recording.
        folder: path. Takes what OpenSim reads and writes; `motion.sto` is in it.
        start: float. Seconds, the first frame.
        frames: int. How many, one after another.
    """
    model = opensim.Model(str(problem.leg.path))
    forces = model.updForceSet()
    for i in reversed(range(forces.getSize())):
        if forces.get(i).getName() not in problem.leg.muscles:
            forces.remove(i)
    for name in problem.leg.muscles:
        muscle = opensim.Muscle.safeDownCast(forces.get(name))
        muscle.setMinControl(MIN_ACTIVATION)
        muscle.setMaxControl(MAX_ACTIVATION)
    for name, strength in zip(problem.leg.coordinates, problem.reserves, strict=True):
        reserve = opensim.CoordinateActuator(name)
        reserve.setName(f"{name}_reserve")
        reserve.setOptimalForce(float(strength))
        reserve.setMinControl(-1e4)
        reserve.setMaxControl(1e4)
        model.addForce(reserve)
    model.finalizeConnections()
    model.printToXML(str(folder / "reserves.osim"))

    begun = time.process_time()
    times = problem.motion.index.to_numpy()
    end = times[np.searchsorted(times, start - 1e-6) + frames - 1]
    analysis = opensim.StaticOptimization()
    analysis.setStartTime(start)
    analysis.setEndTime(end)
    analysis.setUseModelForceSet(True)
    analysis.setActivationExponent(2)
    analysis.setUseMusclePhysiology(True)
    tool = opensim.AnalyzeTool()
    tool.setName("tool")
    tool.setModelFilename(str(folder / "reserves.osim"))
    tool.setCoordinatesFileName(str(folder / "motion.sto"))
    tool.setExternalLoadsFileName(str(recording / "grf_walk.xml"))
    tool.setLowpassCutoffFrequency(-1.0)
    tool.setStartTime(start)
    tool.setFinalTime(end)
    tool.setResultsDir(str(folder))
    tool.updAnalysisSet().cloneAndAppend(analysis)
    tool.printToXML(str(folder / "tool.xml"))
    with silence_output():
        assert opensim.AnalyzeTool(str(folder / "tool.xml"), True).run()
    seconds = time.process_time() - begun
    activation = read_storage(folder / "tool_StaticOptimization_activation.sto")
    force = read_storage(folder / "tool_StaticOptimization_force.sto")
    names = [f"{name}_reserve" for name in problem.leg.coordinates]
    return ToolResult(activation[list(problem.leg.muscles)], force[names], seconds)
