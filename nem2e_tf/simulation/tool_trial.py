"""A trial as the files that OpenSim's tools read: model, coordinates, external loads."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import make_interp_spline

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import (
    check_document,
    check_input,
    find_named_file,
    write_storage,
)
from nem2e_tf.signals import resample
from nem2e_tf.simulation.external_loads import loads_for_tools
from nem2e_tf.simulation.model import LARGEST_MOMENT, LegModel, opensim_reason
from nem2e_tf.simulation.static import MIN_ACTIVATION, RESERVE

SUPPORT = 1000.0
"""N m or N at a control of one, of the actuators that drive all coordinates but the leg's. They are
strong and so cost almost nothing: they give all forces that are not the leg's."""

LOADS_RATE = 1000.0
"""Hz of equivalent loads. ExternalForce interpolates its rows linearly."""


@dataclass(frozen=True)
class ToolTrial:
    """The files of one trial, in a folder of their own.

    Args:
        model: path. The leg's muscles, its reserve actuators and the supports; no other force.
        coordinates: path. Every coordinate by its plain name, radians and metres, 100 Hz.
        loads: path. ExternalLoads (.xml).
    """

    model: Path
    coordinates: Path
    loads: Path


def write_tool_trial(
    leg: LegModel,
    motion: pd.DataFrame,
    moments: pd.DataFrame,
    loads: str | os.PathLike[str] | None,
    folder: Path,
) -> ToolTrial:
    """Write a trial for OpenSim's tools.

    The tools compute their own inverse dynamics, from the motion and external loads. Where only
    joint moments are known, `equivalent_loads` make that inverse dynamics give them.

    Args:
        leg: LegModel.
        motion: `(rows, coordinates)` at 100 Hz, radians and metres, low-passed, reaching beyond
            the solved range where the recording does, for the tools' splines.
        moments: `(rows, coordinates)` of the leg on the same clock, N m.
        loads: path or None. ExternalLoads (.xml) with its data file; None: only `moments`.
        folder: path. An empty folder.
    """
    whole = complete_coordinates(leg, motion)
    if loads is None:
        prescribed = equivalent_loads(leg, whole, moments)
        path = _write_loads(prescribed, folder)
    else:
        path = _check_loads(loads, leg, folder)
    write_storage(whole, folder / "coordinates.sto", "Coordinates")
    _tool_model(leg).printToXML(str(folder / "model.osim"))
    return ToolTrial(folder / "model.osim", folder / "coordinates.sto", path)


def complete_coordinates(leg: LegModel, motion: pd.DataFrame) -> pd.DataFrame:
    """The motion with every coordinate of the model, constrained ones as OpenSim assembles them.

    Args:
        leg: LegModel.
        motion: `(frames, coordinates)`; a missing coordinate keeps the model's default value.

    Returns:
        `(frames, all coordinates)` in the model's order.
    """
    model = leg.model
    state = model.initializeState()
    found = [model.getCoordinateSet().get(name) for name in leg.coordinate_names]
    independent = [c for c in found if c.getName() in motion and not c.isDependent(state)]
    columns = motion[[c.getName() for c in independent]].to_numpy()
    values = np.zeros((len(motion), len(found)))
    for frame, row in enumerate(columns):
        for coordinate, value in zip(independent, row, strict=True):
            coordinate.setValue(state, float(value), False)
        try:
            model.assemble(state)
        except RuntimeError as error:
            raise InputError(
                f"{leg.path}: OpenSim cannot pose the model at time {motion.index[frame]:g} s:"
                f" {opensim_reason(error)}"
            ) from None
        values[frame] = [c.getValue(state) for c in found]
    return pd.DataFrame(values, index=motion.index, columns=leg.coordinate_names)


def equivalent_loads(
    leg: LegModel, motion: pd.DataFrame, moments: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """External loads under which inverse dynamics of the motion gives the joint moments.

    With `n` the generalised forces of the motion without any load and `t` the given joint moments,
    the loads `w` satisfy `Jᵀ w = n − t` for the leg's coordinates and `Jᵀ w = n` for
    the pelvis against the ground: torques on the thigh, shank and foot, and a force and a torque
    at the pelvis, of the least norm. They represent the ground and all other external forces; they
    are not a ground reaction force, but have the same effect on the leg's muscles.

    Args:
        leg: LegModel.
        motion: `(frames, all coordinates)`, radians and metres, index `time` in seconds.
        moments: `(frames, coordinates)` of the leg, N m, on the same clock.

    Returns:
        For every loaded body a `(frames, 6)` frame: torque about x, y, z (N m), then force in
        x, y, z (N) at the body's origin, all in the ground's axes.
    """
    import opensim

    model = _remove_forces(leg)
    state = model.initSystem()
    found = [model.getCoordinateSet().get(name) for name in motion.columns]
    order = _speed_indices(model, state, found)
    time, values = motion.index.to_numpy(), motion.to_numpy()
    spline = make_interp_spline(time, values, k=5)
    speeds, accelerations = spline.derivative(1)(time), spline.derivative(2)(time)

    root = _joint_of(model, found[0])
    pelvis = root.getChildFrame().findBaseFrame().getName()
    segments = [
        _joint_of(model, model.getCoordinateSet().get(name))
        .getChildFrame()
        .findBaseFrame()
        .getName()
        for name in leg.coordinates
    ]
    segments = list(dict.fromkeys(segments))
    bodies = [pelvis, *segments]
    indices = [model.getBodySet().get(name).getMobilizedBodyIndex() for name in bodies]
    rooted = [
        c.getName() for c in found if _joint_of(model, c).getAbsolutePathString()
        == root.getAbsolutePathString()
    ]  # fmt: skip
    target = pd.DataFrame(0.0, index=motion.index, columns=[*rooted, *leg.coordinates])
    target[list(leg.coordinates)] = moments.to_numpy()
    rows = [order[list(motion.columns).index(name)] for name in target.columns]

    solver = opensim.InverseDynamicsSolver(model)
    matter = model.getMatterSubsystem()
    loads = np.zeros((len(time), len(bodies), 6))
    for frame in range(len(time)):
        for coordinate, value, speed in zip(found, values[frame], speeds[frame], strict=True):
            coordinate.setValue(state, float(value), False)
            coordinate.setSpeedValue(state, float(speed))
        model.realizeDynamics(state)
        udot = np.zeros(len(order))
        udot[order] = accelerations[frame]
        needed = solver.solve(state, opensim.Vector(udot.tolist())).to_numpy()[rows]
        blocks = []
        for place, index in enumerate(indices):
            jacobian = opensim.Matrix()
            matter.calcFrameJacobian(state, index, opensim.Vec3(0), jacobian)
            # Rows: angular velocity, then velocity. Only the pelvis is pushed as well as turned.
            blocks.append(jacobian.to_numpy()[: 6 if place == 0 else 3, rows].T)
        missing = needed - target.to_numpy()[frame]
        solution = np.linalg.lstsq(np.hstack(blocks), missing, rcond=None)[0]
        loads[frame, 0] = solution[:6]
        loads[frame, 1:, :3] = solution[6:].reshape(-1, 3)
    labels = ["tx", "ty", "tz", "fx", "fy", "fz"]
    return {
        body: pd.DataFrame(loads[:, place], index=motion.index, columns=labels)
        for place, body in enumerate(bodies)
    }


def _tool_model(leg: LegModel) -> Any:
    """The model with no forces but the leg's muscles, reserves at its coordinates, and supports."""
    import opensim

    model = leg.model.clone()
    kept = set(leg.muscles)
    forces = model.updForceSet()
    for i in reversed(range(forces.getSize())):
        if forces.get(i).getName() not in kept:
            forces.remove(i)
    model.updControllerSet().clearAndDestroy()
    model.updAnalysisSet().clearAndDestroy()
    state = leg.model.initializeState()
    strongest = LARGEST_MOMENT * leg.mass
    for name in leg.coordinate_names:
        coordinate = leg.model.getCoordinateSet().get(name)
        if coordinate.isConstrained(state):
            continue
        own = name in leg.coordinates
        actuator = opensim.CoordinateActuator(name)
        actuator.setName(f"{name}_{'reserve' if own else 'support'}")
        actuator.setOptimalForce(RESERVE if own else SUPPORT)
        # Twice the moment that a leg's joint or a support reaches, so the bound is never active.
        bound = 2 * strongest / RESERVE if own else 50.0
        actuator.setMinControl(-bound)
        actuator.setMaxControl(bound)
        model.addForce(actuator)
    for name in leg.muscles:
        muscle = model.updMuscles().get(name)
        muscle.setMinControl(MIN_ACTIVATION)
        muscle.setMaxControl(1.0)
    model.finalizeConnections()
    return model


def _remove_forces(leg: LegModel) -> Any:
    model = leg.model.clone()
    model.updForceSet().clearAndDestroy()
    model.updControllerSet().clearAndDestroy()
    model.updAnalysisSet().clearAndDestroy()
    model.finalizeConnections()
    return model


def _joint_of(model: Any, coordinate: Any) -> Any:
    return model.getJointSet().get(coordinate.getJoint().getName())


def _speed_indices(model: Any, state: Any, coordinates: list[Any]) -> list[int]:
    """Index of each coordinate's speed in the state, which is in the order of the bodies."""
    order = []
    for coordinate in coordinates:
        state.updU().setToZero()
        coordinate.setSpeedValue(state, 1.0)
        order.append(int(np.argmax(state.getU().to_numpy())))
    state.updU().setToZero()
    return order


def _check_loads(loads: str | os.PathLike[str], leg: LegModel, folder: Path) -> Path:
    """Loads that the tools can read, or an `InputError` for a fault that they would not explain."""
    import opensim

    path = check_input(loads, "external loads").absolute()
    check_document(path, "OpenSim ExternalLoads", "ExternalLoads")
    try:
        external = opensim.ExternalLoads(str(path), True)
    except RuntimeError as error:
        raise InputError(f"{path}: not an ExternalLoads file: {opensim_reason(error)}") from None
    if external.getSize() == 0:
        raise InputError(f"{path}: has no ExternalForce in it")
    if find_named_file(path, external.getDataFileName()) is None:
        check_input(path.parent / external.getDataFileName(), f"the data of {path.name}")
    bodies = [leg.model.getBodySet().get(i).getName() for i in range(leg.model.getNumBodies())]
    for i in range(external.getSize()):
        body = external.get(i).getAppliedToBodyName()
        if body not in bodies:
            raise InputError(
                f"{path}: the model has no body '{body}'; {suggest_name(body, bodies)}"
            )
    return loads_for_tools(path, leg.model, folder)


def _write_loads(loads: dict[str, pd.DataFrame], folder: Path) -> Path:
    """Loads on bodies as an ExternalLoads file and its data."""
    import opensim

    columns, external = {}, opensim.ExternalLoads()
    for body, frame in loads.items():
        times = np.arange(
            round(frame.index[0] * LOADS_RATE), round(frame.index[-1] * LOADS_RATE) + 1
        )
        fine = resample(frame, times / LOADS_RATE)
        force = opensim.ExternalForce()
        force.setName(f"{body}_load")
        force.setAppliedToBodyName(body)
        force.setForceExpressedInBodyName("ground")
        force.setTorqueIdentifier(f"{body}_torque_")
        kinds = {"torque": ["tx", "ty", "tz"]}
        if frame[["fx", "fy", "fz"]].to_numpy().any():
            kinds["force"] = ["fx", "fy", "fz"]
            force.setForceIdentifier(f"{body}_force_")
            force.setPointExpressedInBodyName(body)
            force.setPointIdentifier(f"{body}_point_")
            for axis in "xyz":
                columns[f"{body}_point_{axis}"] = fine["fx"] * 0.0
        for kind, labels in kinds.items():
            for axis, label in zip("xyz", labels, strict=True):
                columns[f"{body}_{kind}_{axis}"] = fine[label]
        external.cloneAndAppend(force)
    write_storage(pd.DataFrame(columns), folder / "loads.sto", "Equivalent loads")
    external.setDataFileName("loads.sto")
    external.printToXML(str(folder / "loads.xml"))
    return folder / "loads.xml"
