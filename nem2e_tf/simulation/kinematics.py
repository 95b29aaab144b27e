"""Inverse kinematics: joint motion from marker positions, by OpenSim's solver."""

import logging
import math
import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import AXES, check_document, check_input, describe_pairs, visible_markers
from nem2e_tf.simulation.geometry import Progress
from nem2e_tf.simulation.model import opensim_reason, read_model

ACCURACY = 1e-5
"""OpenSim's own default.

The same markers give the same angles to the last digit; markers moved by a rounding error may give
angles some tenths of a degree apart.
"""

MIN_MARKERS = 3
"""Markers that a frame must have; fewer do not determine even the pose of the pelvis."""

MAX_MARKER_RMS, MAX_MARKER_ERROR = 0.02, 0.04
"""Metres: OpenSim's best practices for inverse kinematics, in its user's guide."""

log = logging.getLogger(__name__)


def inverse_kinematics(
    model_path: str | os.PathLike[str],
    markers: pd.DataFrame,
    *,
    tasks: str | os.PathLike[str] | None = None,
    start: float | None = None,
    end: float | None = None,
    margin: float = 0.0,
    accuracy: float = ACCURACY,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the joint motion whose markers come nearest to the recorded ones.

    OpenSim's InverseKinematicsSolver is used as by its InverseKinematicsTool: it minimises the sum
    of weighted squared distances in each frame, starting from the pose of the previous frame. A
    marker in a gap does not count in that frame.

    Args:
        model_path: str or path. The .osim, scaled to the subject, with markers.
        markers: `(frames, markers × 3)`, metres, as `nem2e_tf.files.read_markers` gives them.
        tasks: str, path or None. An OpenSim IKTaskSet (.xml) with weights of markers and
            coordinates; None gives equal weights to all markers that model and recording share.
        start: float or None. Seconds; None is the first frame with three markers.
        end: float or None. Seconds; None is the last one.
        margin: float. Seconds to solve beyond `start` and `end`, as far as the recording goes, so
            that filter transients lie there; `errors` covers `start` to `end` only.
        accuracy: float. Of the solver.
        progress: callable or None.

    Returns:
        motion: `(frames, coordinates)`, every coordinate of the model, radians and metres, index
            `time` in seconds.
        errors: `(markers, 4)`, as from `marker_errors`.

    Raises:
        InputError: the model or the task set cannot be read, markers do not match, or too
            few are visible at some time.
    """
    import opensim

    model, _ = read_model(model_path)
    source = str(markers.attrs.get("path", "markers"))
    recorded = [str(name) for name in dict.fromkeys(markers.columns.get_level_values("marker"))]
    weights, targets = _read_tasks(model, tasks) if tasks is not None else (None, {})
    tracked = _match_markers(model, recorded, weights, source, tasks)
    used = _select_frames(markers[list(tracked)], start, end, margin, source)

    # OpenSim keeps pointers to all of these, so they must exist as long as the solver.
    table, set_of_weights = _to_opensim_table(used), opensim.SetMarkerWeights()
    for name, weight in tracked.items():
        set_of_weights.cloneAndAppend(opensim.MarkerWeight(name, weight))
    reference = opensim.MarkersReference(table, set_of_weights)
    coordinate_references = opensim.SimTKArrayCoordinateReference()
    for name, (value, weight) in targets.items():
        target = opensim.CoordinateReference(name, opensim.Constant(value))
        target.setWeight(weight)
        coordinate_references.push_back(target)

    state = model.initSystem()
    found = model.getCoordinateSet()
    coordinates = [found.get(i) for i in range(found.getSize())]
    time = used.index.to_numpy()
    values = np.zeros((len(time), len(coordinates)))
    distances = np.zeros((len(time), len(tracked)))
    frame = 0
    try:
        solver = opensim.InverseKinematicsSolver(model, reference, coordinate_references, math.inf)
        solver.setAccuracy(accuracy)
        state.setTime(float(time[0]))
        solver.assemble(state)
        # The solver orders the markers in its own way.
        order = [solver.getMarkerNameForIndex(i) for i in range(solver.getNumMarkersInUse())]
        for frame in range(len(time)):
            state.setTime(float(time[frame]))
            solver.track(state)
            values[frame] = [coordinate.getValue(state) for coordinate in coordinates]
            distances[frame] = [solver.computeCurrentMarkerError(name) for name in order]
            if progress is not None:
                progress(frame + 1, len(time))
    except RuntimeError as error:
        raise InputError(
            f"{source}: OpenSim's inverse kinematics stopped at {time[frame]:g} s:"
            f" {opensim_reason(error)}"
        ) from None
    motion = pd.DataFrame(values, index=used.index, columns=[c.getName() for c in coordinates])
    motion.attrs = {"path": source, "in_degrees": False}
    visible = pd.DataFrame(distances, index=used.index, columns=order).where(
        visible_markers(used)[order]
    )
    low = used.index[0] if start is None else start - 1e-9
    high = used.index[-1] if end is None else end + 1e-9
    return motion, marker_errors(visible.loc[low:high])


def marker_errors(distances: pd.DataFrame) -> pd.DataFrame:
    """Distances of model markers from recorded ones, marker by marker, the worst first.

    Args:
        distances: `(frames, markers)`, metres, NaN in a gap, index `time` in seconds.

    Returns:
        A row a marker, columns `rms` and `worst` in metres, `time` of the worst in seconds,
        `missing` the share of frames without that marker.
    """
    rows = {
        str(name): {
            "rms": float(np.sqrt((column**2).mean())),
            "worst": float(column.max()),
            "time": float(column.index[int(column.argmax())]) if column.notna().any() else math.nan,
            "missing": float(column.isna().mean()),
        }
        for name, column in distances.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("rms", ascending=False)


def errors_as_rich(errors: pd.DataFrame) -> Table:
    """Marker errors in millimetres, for a terminal."""
    total = 1000 * float(np.sqrt((errors["rms"] ** 2).mean()))
    table = Table(title=f"markers: RMS {total:.1f} mm over all")
    table.add_column("marker")
    for title in ("RMS (mm)", "worst (mm)", "at (s)", "missing (%)"):
        table.add_column(title, justify="right")
    for name, row in errors.iterrows():
        table.add_row(
            str(name), f"{1000 * row['rms']:.1f}", f"{1000 * row['worst']:.1f}",
            f"{row['time']:.2f}", f"{100 * row['missing']:.0f}",
        )  # fmt: skip
    if total > 1000 * MAX_MARKER_RMS or errors["worst"].max() > MAX_MARKER_ERROR:
        table.caption = (
            f"OpenSim's guide asks for an RMS under {1000 * MAX_MARKER_RMS:g} mm and no marker off"
            f" by more than {1000 * MAX_MARKER_ERROR:g} mm: is the model scaled to the subject?"
        )
    return table


def _read_tasks(
    model: Any, path: str | os.PathLike[str]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Weight by marker; target value and weight by coordinate that has them."""
    path = check_input(path, "inverse kinematics tasks")
    check_document(path, "an OpenSim IKTaskSet", "IKTaskSet")
    import opensim

    try:
        tasks = opensim.IKTaskSet(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path}: OpenSim cannot read these tasks: {opensim_reason(error)}"
        ) from None
    weights, targets = {}, {}
    names = [
        c.getName() for c in map(model.getCoordinateSet().get, range(model.getNumCoordinates()))
    ]
    for i in range(tasks.getSize()):
        task = tasks.get(i)
        marker = opensim.IKMarkerTask.safeDownCast(task)
        coordinate = opensim.IKCoordinateTask.safeDownCast(task)
        if not task.getApply():
            continue
        if marker is not None:
            weights[marker.getName()] = float(marker.getWeight())
        elif coordinate is not None:
            name = coordinate.getName()
            if name not in names:
                raise InputError(
                    f"{path}: the model has no coordinate '{name}'; {suggest_name(name, names)}"
                )
            if coordinate.getValueType() == opensim.IKCoordinateTask.FromFile:
                raise InputError(
                    f"{path}: coordinate '{name}' takes its value from a file, which is not"
                    " supported; give it a manual value, or none"
                )
            manual = coordinate.getValueType() == opensim.IKCoordinateTask.ManualValue
            default = model.getCoordinateSet().get(name).getDefaultValue()
            value = coordinate.getValue() if manual else default
            targets[name] = (float(value), float(coordinate.getWeight()))
    if not any(weight > 0 for weight in weights.values()):
        raise InputError(f"{path}: no marker task that applies; expected an OpenSim IKTaskSet")
    return weights, targets


def _match_markers(
    model: Any,
    recorded: list[str],
    weights: dict[str, float] | None,
    source: str,
    tasks: str | os.PathLike[str] | None,
) -> dict[str, float]:
    """Weight of every marker that recording, model and tasks have in common, in recorded order."""
    markers = model.getMarkerSet()
    known = [markers.get(i).getName() for i in range(markers.getSize())]
    if weights is None:
        requested = {name: 1.0 for name in recorded}
        _log_names(f"{source}: not in the model, left out", (n for n in recorded if n not in known))
        _log_names(
            f"{source}: markers of the model that were not recorded", set(known) - set(recorded)
        )
    else:
        requested = {name: weights[name] for name in recorded if name in weights}
        _log_names(f"{tasks}: not in {source}, left out", (n for n in weights if n not in recorded))
        _log_names(f"{tasks}: not in the model, left out", (n for n in requested if n not in known))
    tracked = {name: weight for name, weight in requested.items() if name in known}
    if len(tracked) < MIN_MARKERS:
        raise InputError(
            f"{source}: {len(tracked)} of its {len(recorded)} markers are in the model"
            f"{' and the tasks' if tasks is not None else ''}, at least {MIN_MARKERS} are"
            f" needed; {describe_pairs(known, recorded)}"
        )
    return tracked


def _log_names(source: str, names: Iterable[str]) -> None:
    listed = sorted(names)
    if listed:
        log.info("%s: %s", source, ", ".join(listed))


def _select_frames(
    markers: pd.DataFrame, start: float | None, end: float | None, margin: float, source: str
) -> pd.DataFrame:
    """The frames to solve; without `start` or `end`, those with enough visible markers."""
    is_trackable = visible_markers(markers).sum(axis=1) >= MIN_MARKERS
    if not is_trackable.any():
        raise InputError(f"{source}: no frame with {MIN_MARKERS} of the markers to track")
    trackable = is_trackable.index[is_trackable]
    low = trackable[0] if start is None else start
    high = trackable[-1] if end is None else end
    if low < markers.index[0] - 1e-6 or high > markers.index[-1] + 1e-6 or low >= high:
        raise InputError(
            f"the time range {low:g}-{high:g} s is outside the recording: {source} covers"
            f" {markers.index[0]:g}-{markers.index[-1]:g} s"
        )
    inside = (markers.index >= low - 1e-9) & (markers.index <= high + 1e-9)
    untracked = is_trackable.index[inside & ~is_trackable.to_numpy()]
    if len(untracked):
        raise InputError(
            f"{source}: fewer than {MIN_MARKERS} markers to track at {untracked[0]:g} s"
            f" ({len(untracked)} such frames); choose another range with --start and --end"
        )
    # The margin ends at the first frame with too few markers.
    untracked = is_trackable.index[~is_trackable]
    low = max([low - margin, *untracked[untracked < low]])
    high = min([high + margin, *untracked[untracked > high]])
    with_margin = (markers.index >= low - 1e-9) & (markers.index <= high + 1e-9)
    return markers[with_margin & is_trackable.to_numpy()]


def _to_opensim_table(markers: pd.DataFrame) -> Any:
    """The markers as an opensim.TimeSeriesTableVec3."""
    import opensim

    names = list(dict.fromkeys(markers.columns.get_level_values("marker")))
    table = opensim.TimeSeriesTableVec3()
    table.setColumnLabels(names)
    points = markers.to_numpy().reshape(len(markers), len(names), len(AXES))
    for time, row in zip(markers.index, points, strict=True):
        positions = opensim.RowVectorVec3(len(names))
        for i, (x, y, z) in enumerate(row.tolist()):
            positions[i] = opensim.Vec3(x, y, z)
        table.appendRow(float(time), positions)
    table.addTableMetaDataString("Units", "m")
    return table
