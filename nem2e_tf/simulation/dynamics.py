"""Inverse dynamics: joint moments from joint motion and external loads, by OpenSim's solver."""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import write_storage
from nem2e_tf.signals import common_time_range, low_pass
from nem2e_tf.simulation.external_loads import read_loads
from nem2e_tf.simulation.geometry import Progress
from nem2e_tf.simulation.model import opensim_reason, read_model
from nem2e_tf.simulation.motion_columns import needed_coordinates, select_coordinates
from nem2e_tf.simulation.posture import find_couplers

CUTOFF = 6.0
"""Hz. Low-pass of the motion, as in `simulate`."""

LARGEST_RESIDUAL = 0.25
"""Largest share of body weight that may be unsupported, as by a foot beside the plates."""

GRAVITY = 9.81
"""m/s²."""


def inverse_dynamics(
    model_path: str | os.PathLike[str],
    motion: pd.DataFrame,
    loads: str | os.PathLike[str],
    *,
    cutoff: float | None = CUTOFF,
    start: float | None = None,
    end: float | None = None,
    up: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Joint moments that, with the external loads, make the model move as recorded.

    OpenSim's InverseDynamicsSolver gets the same input as from its InverseDynamicsTool: quintic
    splines through the motion, the loads, and no muscles. The motion is low-passed first, by the
    filter that simulations use. The loads are not filtered, because `simulate` low-passes the
    moments. Coupled coordinates (a patella) follow their constraint, whatever the motion has.

    Args:
        model_path: str or path. The .osim that the motion is of.
        motion: `(frames, coordinates)`, radians and metres, columns plain coordinate names, index
            `time` in seconds.
        loads: str or path. OpenSim ExternalLoads (.xml). Its data file is in the same folder,
            and may be a .c3d, whose columns are those of `nem2e_tf.files.c3d.C3D.ground_reactions`.
        cutoff: float or None. Hz; None takes the motion as it is.
        start: float or None. Seconds; None is where motion and loads have both begun.
        end: float or None. Seconds; None is where one of them ends.
        up: str or None. The axis that points up in a .c3d, as in `nem2e_tf.files.read_c3d`.
        progress: callable or None.

    Returns:
        `(frames, coordinates)` at the motion's times: `<coordinate>_moment` in N m of rotations,
        `<coordinate>_force` in N of translations.

    Raises:
        InputError: the model or the loads cannot be read, a column is missing, or they are not on
            one clock.
    """
    source = str(motion.attrs.get("path", "motion"))
    model, _ = read_model(model_path)
    external, forces = read_loads(loads, model, up)
    low, high = common_time_range({source: motion, str(forces.attrs["path"]): forces}, start, end)
    coordinates = model.getCoordinateSet()
    known = [coordinates.get(i).getName() for i in range(coordinates.getSize())]
    motion = select_coordinates(
        motion, known, needed_coordinates(model, motion.columns), Path(model_path).name
    )
    smooth = motion if cutoff is None else low_pass(motion, cutoff, source)
    smooth = _apply_couplers(model, smooth)
    with tempfile.TemporaryDirectory() as folder:
        # OpenSim reads the loads from a file, and only when the model is built.
        data = Path(folder) / "loads.mot"
        write_storage(forces, data, "loads")
        external.setDataFileName(str(data))
        return _solve_inverse_dynamics(model, external, smooth, low, high, source, progress)


def _solve_inverse_dynamics(
    model: Any,
    external: Any,
    motion: pd.DataFrame,
    start: float,
    end: float,
    source: str,
    progress: Progress | None,
) -> pd.DataFrame:
    import opensim

    model.addModelComponent(external)
    try:
        state = model.initSystem()
    except RuntimeError as error:
        raise InputError(f"OpenSim cannot apply the loads: {opensim_reason(error)}") from None
    for force in model.getMuscles():
        force.setAppliesForce(state, False)
    found = model.getCoordinateSet()
    coordinates = [found.get(i) for i in range(found.getSize())]
    splines = _fit_splines(motion)
    moving = {str(name): splines.get(str(name)) for name in motion.columns}
    places = _state_indices(state, coordinates)
    moment = {True: "moment", False: "force"}
    rotational = opensim.Coordinate.Rotational
    names = [f"{c.getName()}_{moment[c.getMotionType() == rotational]}" for c in coordinates]
    inside = (motion.index >= start - 1e-9) & (motion.index <= end + 1e-9)
    times = motion.index[inside]
    solver = opensim.InverseDynamicsSolver(model)
    result = np.zeros((len(times), len(coordinates)))
    time = float(start)
    try:
        for row, time in enumerate(times):
            at = opensim.Vector(1, float(time))
            accelerations = opensim.Vector(len(coordinates), 0.0)
            state.setTime(float(time))
            for coordinate, place in zip(coordinates, places, strict=True):
                spline = moving.get(coordinate.getName())
                value, speed = float(coordinate.getDefaultValue()), 0.0
                if spline is not None:
                    value, speed = spline.calcValue(at), spline.calcDerivative([0], at)
                    accelerations.set(place, spline.calcDerivative([0, 0], at))
                coordinate.setValue(state, value, False)
                coordinate.setSpeedValue(state, speed)
            forces = solver.solve(state, accelerations)
            result[row] = [forces.get(place) for place in places]
            if progress is not None:
                progress(row + 1, len(times))
    except RuntimeError as error:
        raise InputError(
            f"{source}: OpenSim's inverse dynamics stopped at {time:g} s: {opensim_reason(error)}"
        ) from None
    frame = pd.DataFrame(result, index=pd.Index(times, name="time"), columns=names)
    frame.attrs = {"path": f"moments of {source}"}
    return frame


def _fit_splines(motion: pd.DataFrame) -> Any:
    """OpenSim's quintic splines through every coordinate, as an opensim.GCVSplineSet."""
    import opensim

    table = opensim.TimeSeriesTable()
    table.setColumnLabels([str(name) for name in motion.columns])
    for time, row in zip(motion.index, motion.to_numpy().tolist(), strict=True):
        table.appendRow(float(time), opensim.RowVector(row))
    return opensim.GCVSplineSet(table, [], 5, 0.0)


def _state_indices(state: Any, coordinates: list[Any]) -> list[int]:
    """Index of each coordinate's speed, acceleration and force in OpenSim's vectors."""
    kept = [coordinate.getSpeedValue(state) for coordinate in coordinates]
    for number, coordinate in enumerate(coordinates, start=1):
        coordinate.setSpeedValue(state, float(number))
    speeds = state.getU()
    found = {round(speeds.get(i)): i for i in range(speeds.size())}
    for coordinate, speed in zip(coordinates, kept, strict=True):
        coordinate.setSpeedValue(state, speed)
    return [found[number] for number in range(1, len(coordinates) + 1)]


def _apply_couplers(model: Any, motion: pd.DataFrame) -> pd.DataFrame:
    """The motion with coupled coordinates computed from the coordinates that they depend on."""
    motion = motion.copy()
    for coupler in find_couplers(model)[0]:
        if set(coupler.independent) <= set(motion.columns):
            leading = motion[list(coupler.independent)].to_numpy()
            motion[coupler.dependent] = coupler.value(leading)
    return motion


def unsupported_times(moments: pd.DataFrame, mass: float) -> pd.Index:
    """Times at which the loads do not support the body, so that a residual at the pelvis does.

    Args:
        moments: as `inverse_dynamics` gives them.
        mass: float. Of the body, kilograms.
    """
    if "pelvis_ty_force" not in moments:
        return moments.index[:0]
    residual = moments["pelvis_ty_force"].abs()
    return moments.index[residual > LARGEST_RESIDUAL * mass * GRAVITY]
