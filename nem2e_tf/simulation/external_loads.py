"""External loads: OpenSim's .xml and the forces that it points to."""

import logging
import os
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
from nem2e_tf.simulation.model import opensim_reason

UNLOADED = 1.0
"""N. Of a smaller force no centre of pressure is needed."""

log = logging.getLogger(__name__)


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


def loads_for_tools(path: Path, model: Any, folder: Path) -> Path:
    """The loads themselves, or a copy in the folder with their data found and without gaps.

    Args:
        path: path. The .xml, which OpenSim can read.
        model: opensim.Model that the loads act on.
        folder: path. Where a copy is written.
    """
    import opensim

    named = opensim.ExternalLoads(str(path), True).getDataFileName()
    data = find_named_file(path, named)
    if data is None or data.suffix.lower() not in STORAGE_SUFFIXES:
        return path
    has_gaps = read_storage(data, allow_gaps=True).isna().any(axis=None)
    if data == path.parent / named and not has_gaps:
        return path
    external, forces = read_loads(path, model)
    write_storage(forces, folder / "loads.sto", "loads")
    external.setDataFileName("loads.sto")
    external.printToXML(str(folder / "loads.xml"))
    return folder / "loads.xml"
