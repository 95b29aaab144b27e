"""Inverse dynamics: joint moments from joint motion and external loads, by OpenSim's solver."""

import logging
import os
import tempfile
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import (
    STORAGE_SUFFIXES,
    check_document,
    check_input,
    find_named_file,
    read_storage,
    write_storage,
)
from nem2e_tf.signals import common_time_range, low_pass
from nem2e_tf.simulation.geometry import Progress
from nem2e_tf.simulation.model import opensim_reason, read_model
from nem2e_tf.simulation.posture import find_couplers

CUTOFF = 6.0
"""Hz. Low-pass of the motion, as in `simulate`."""

LARGEST_RESIDUAL = 0.25
"""Largest share of body weight that may be unsupported, as by a foot beside the plates."""

GRAVITY = 9.81
"""m/s²."""

UNLOADED = 1.0
"""N. Of a smaller force no centre of pressure is needed."""

log = logging.getLogger(__name__)


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
    smooth = motion if cutoff is None else low_pass(motion, cutoff, source)
    smooth = _apply_couplers(model, smooth)
    with tempfile.TemporaryDirectory() as folder:
        # OpenSim reads the loads from a file, and only when the model is built.
        data = Path(folder) / "loads.mot"
        write_storage(forces, data, "loads")
        external.setDataFileName(str(data))
        return _solve_inverse_dynamics(model, external, smooth, low, high, source, progress)


def read_loads(
    path: str | os.PathLike[str], model: Any, up: str | None = None
) -> tuple[Any, pd.DataFrame]:
    """Read OpenSim ExternalLoads and the forces they point to.

    Args:
        path: str or path. The .xml.
        model: opensim.Model that the loads act on.
        up: str or None. The axis that points up in a .c3d.

    Returns:
        The opensim.ExternalLoads, and the `(rows, columns)` of their data file.

    Raises:
        InputError: not ExternalLoads, no data file, or a missing column or body.
    """
    path = check_input(path, "external loads")
    check_document(path, "OpenSim ExternalLoads", "ExternalLoads")
    import opensim

    try:
        external = opensim.ExternalLoads(str(path), True)
    except RuntimeError as error:
        raise InputError(
            f"{path}: OpenSim cannot read these loads: {opensim_reason(error)}"
        ) from None
    if external.getSize() == 0:
        raise InputError(f"{path}: holds no external force; expected OpenSim ExternalLoads")
    named = external.getDataFileName()
    if named in ("", "Unassigned"):
        raise InputError(f"{path}: names no data file; name the one with the forces in <datafile>")
    data = find_named_file(path, named)
    if data is None:
        raise InputError(
            f"{path}: its data file '{named}' does not exist (looked for"
            f" {path.parent / PureWindowsPath(named).name}); put it there"
        )
    if data != path.parent / named:
        log.info("%s: its data file '%s' was found as %s", path, named, data)
    forces = _read_forces(data, up)
    used: set[str] = set()
    bodies = ["ground", *(body.getName() for body in model.getBodySet())]
    for i in range(external.getSize()):
        force = external.get(i)
        body = force.get_applied_to_body()
        if body not in bodies:
            raise InputError(
                f"{path}: '{force.getName()}' acts on '{body}', which is not a body of the model;"
                f" {suggest_name(body, bodies)}"
            )
        # OpenSim throws where an identifier is left out, rather than giving an empty text.
        identifiers = {
            kind: getattr(force, f"get_{kind}_identifier")()
            for kind in ("force", "point", "torque")
            if force.getPropertyByName(f"{kind}_identifier").size()
        }
        columns = {
            kind: [f"{stem}{axis}" for axis in "xyz"] for kind, stem in identifiers.items() if stem
        }
        for name in (name for names in columns.values() for name in names):
            if name not in forces.columns:
                raise InputError(
                    f"{data}: no column '{name}', which {path.name} names;"
                    f" {suggest_name(name, forces.columns)}{forces.attrs.get('fault', '')}"
                )
        _fill_unloaded(forces, columns)
        used.update(name for names in columns.values() for name in names)
    _check_gaps(forces[[name for name in forces.columns if name in used]], data)
    # No force is named by the other columns, and OpenSim cannot interpolate their gaps.
    unused = [n for n in forces.columns if n not in used and forces[n].isna().any()]
    return external, forces.drop(columns=unused)


def _fill_unloaded(forces: pd.DataFrame, columns: dict[str, list[str]]) -> None:
    """Zero for NaN in an external load's point and torque where its force is zero, in place."""
    if "force" not in columns:
        return
    size = np.linalg.norm(forces[columns["force"]].to_numpy(), axis=1)
    for name in [*columns.get("point", ()), *columns.get("torque", ())]:
        gaps = forces[name].isna().to_numpy() & (size < UNLOADED)
        if gaps.any():
            forces.loc[gaps, name] = 0.0


def _check_gaps(forces: pd.DataFrame, path: Path) -> None:
    bad = forces.isna().to_numpy()
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        rows = int(bad.any(axis=1).sum())
        raise InputError(
            f"{path}: column '{forces.columns[column]}' has no number at time"
            f" {forces.index[row]:g} s, under load ({rows} such row{'s' if rows > 1 else ''});"
            " fill the gap or leave these rows out"
        )


def _read_forces(path: Path, up: str | None) -> pd.DataFrame:
    if path.suffix.lower() == ".c3d":
        from nem2e_tf.files import read_c3d

        return read_c3d(path, up).ground_reactions()
    if path.suffix.lower() not in STORAGE_SUFFIXES:
        raise InputError(f"{path}: not a file of forces; expected .mot, .sto or .c3d")
    return read_storage(path, allow_gaps=True)


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
    for name in motion.columns:
        if name not in [c.getName() for c in coordinates]:
            raise InputError(f"{source}: column '{name}' is not a coordinate of the model")
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
