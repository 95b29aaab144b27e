"""Which columns of a motion file a model can use."""

import difflib
import logging
from collections.abc import Collection, Iterable
from typing import Any

import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.simulation.model import COORDINATES

log = logging.getLogger(__name__)


def select_coordinates(
    motion: pd.DataFrame, known: Collection[str], needed: Iterable[str], model: str
) -> pd.DataFrame:
    """The columns of a motion that are coordinates of a model; others get a note, as in OpenSim.

    Args:
        motion: `(rows, columns)`; `motion.attrs["path"]` names it in messages.
        known: names of the model's coordinates.
        needed: names of those that must be there.
        model: str. The model's name, for messages.

    Returns:
        `(rows, coordinates)` with the same `attrs`; the motion itself if it has nothing else.

    Raises:
        InputError: a needed coordinate is missing; the message has the nearest column.
    """
    source = motion.attrs.get("path", "motion")
    others = [str(name) for name in motion.columns if name not in known]
    for name in needed:
        if name not in motion.columns:
            # A misspelt column is no coordinate of the model; those of the other leg are.
            misspelt = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
            raise InputError(
                f"{source}: no coordinate '{name}', which {model} needs;"
                f" {suggest_name(name, misspelt or map(str, motion.columns))}"
            )
    if not others:
        return motion
    listed = ", ".join(others[:6]) + (", …" if len(others) > 6 else "")
    log.info("%s: not a coordinate of %s, ignored: %s", source, model, listed)
    kept = motion[[name for name in motion.columns if name in known]]
    kept.attrs = dict(motion.attrs)
    return kept


def needed_coordinates(model: Any, columns: Iterable[str]) -> list[str]:
    """Coordinates that inverse dynamics with external loads cannot do without.

    Args:
        model: opensim.Model, initialised.
        columns: those of the motion.

    Returns:
        The free coordinates of the joints to the ground, and of the legs that the motion moves.
    """
    state = model.getWorkingState()
    joints = [model.getJointSet().get(i) for i in range(model.getJointSet().getSize())]
    moved = {letter for letter in "rl" for name in COORDINATES if f"{name}_{letter}" in columns}
    legs = {f"{name}_{letter}" for letter in moved for name in COORDINATES}
    return [
        coordinate.getName()
        for joint in joints
        for coordinate in (joint.get_coordinates(i) for i in range(joint.numCoordinates()))
        if not coordinate.isConstrained(state)
        and (
            joint.getParentFrame().findBaseFrame().getName() == "ground"
            or coordinate.getName() in legs
        )
    ]
