"""Marker pairs that measure the size of a model's bodies.

They are chosen from the model's marker set by these rules:

1. Only markers that are in the model and in every used frame of the static trial are used.
2. A pair measures a body if one marker is on it, and the other is on it too or represents one
   of its joints: it is on a body further along the chain, and no further from that joint's centre
   than 0.35 of the pair's length (a lateral knee marker on the thigh for the shank, the iliac
   spine for the thigh).
3. Anatomical landmarks (markers that the model marks `fixed`) have priority over markers of a
   cluster, whose positions are arbitrary; clusters measure only a body without landmarks.
4. Pairs under 0.15 m, or under half of the body's longest, are left out: an error of 5 mm in
   a marker's position is then at most 3 % of a length. The body's factor, the same along x, y and
   z, is the mean over the other pairs of their length in the trial divided by that in the model.
5. A body without a pair takes the factor of its nearest descendant that has one (talus: heel to
   toe), else of its nearest ancestor (patella: thigh).
"""

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files import marker_names

SHORTEST_PAIR = 0.15
"""m."""

NEAR_JOINT = 0.35
"""Share of a pair's length that a marker may be from the centre of the joint that it represents."""

Pair = tuple[str, str]


def model_markers(model: Any) -> dict[str, bool]:
    """The model's markers, and whether each is `fixed` to its body: an anatomical landmark."""
    found = model.getMarkerSet()
    return {found.get(i).getName(): found.get(i).get_fixed() for i in range(found.getSize())}


def mean_positions(
    markers: pd.DataFrame, start: float | None, end: float | None
) -> dict[str, np.ndarray]:
    """Mean position, m, of every marker that has no gap in the range.

    Args:
        markers: as `nem2e_tf.files.read_markers` gives them.
        start: float or None. Seconds; None is the first frame.
        end: float or None. Seconds; None is the last one.

    Raises:
        InputError: no frame in the range.
    """
    time = markers.index.to_numpy()
    low, high = time[0] if start is None else start, time[-1] if end is None else end
    used = markers[(time >= low - 1e-6) & (time <= high + 1e-6)]
    if used.empty:
        raise InputError(
            f"{markers.attrs['path']}: no frame between {low:g} and {high:g} s; it covers"
            f" {time[0]:g}-{time[-1]:g} s"
        )
    means = {name: used[name].to_numpy().mean(axis=0) for name in marker_names(markers)}
    return {name: place for name, place in means.items() if np.isfinite(place).all()}


def write_static_markers(markers: dict[str, np.ndarray], path: Path) -> None:
    """Write positions in metres as a .trc file of two equal frames, for OpenSim's tools."""
    names = "\t\t\t".join(markers)
    axes = "\t".join(f"{axis}{i + 1}" for i in range(len(markers)) for axis in "XYZ")
    values = "\t".join(f"{value:.7f}" for position in markers.values() for value in position)
    head = (
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}\n"
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        f"\tOrigNumFrames\n100\t100\t2\t{len(markers)}\tm\t100\t1\t2\n"
        f"Frame#\tTime\t{names}\n\t\t{axes}\n\n"
    )
    path.write_text(f"{head}1\t0.00\t{values}\n2\t0.01\t{values}\n", encoding="utf-8", newline="\n")


def find_marker_pairs(model: Any, names: Iterable[str]) -> dict[str, list[Pair]]:
    """The marker pairs that measure each body, by the rules at the top of this module.

    Args:
        model: opensim.Model with a marker set.
        names: iterable of str. Markers of the static trial.

    Returns:
        Pairs by body; bodies without a pair are left out.
    """
    state = model.initSystem()
    markers = {name: model.getMarkerSet().get(name) for name in names}
    positions = {name: m.getLocationInGround(state).to_numpy() for name, m in markers.items()}
    body_of = {name: m.getParentFrame().findBaseFrame().getName() for name, m in markers.items()}
    landmarks = {name for name, m in markers.items() if m.get_fixed()}
    parents, joints = _body_tree(model, state)
    pairs = {}
    for body in parents:
        ends = {body: joints[body]} | {
            b: joints[b] for b, parent in parents.items() if parent == body
        }
        found: dict[Pair, float] = {}
        for pair in combinations(markers, 2):
            length = float(np.linalg.norm(positions[pair[0]] - positions[pair[1]]))
            if length >= SHORTEST_PAIR and _can_measure(
                pair, body, body_of, positions, ends, parents, length
            ):
                found[pair] = length
        anatomical = {pair: length for pair, length in found.items() if set(pair) <= landmarks}
        found = anatomical or found
        if found:
            longest = max(found.values())
            pairs[body] = [pair for pair, length in found.items() if length >= longest / 2]
    return pairs


def initial_factors(
    model: Any, pairs: dict[str, list[Pair]], static: dict[str, np.ndarray]
) -> dict[str, float]:
    """The factor of every measured body, with the model in its default pose."""
    state = model.initSystem()
    found = model.getMarkerSet()
    factors = {}
    for body, measured in pairs.items():
        ratios = []
        for first, second in measured:
            start = found.get(first).getLocationInGround(state).to_numpy()
            model_vector = start - found.get(second).getLocationInGround(state).to_numpy()
            trial_vector = static[first] - static[second]
            ratios.append(np.linalg.norm(trial_vector) / np.linalg.norm(model_vector))
        factors[body] = float(np.mean(ratios))
    return factors


def _can_measure(
    pair: Pair,
    body: str,
    body_of: dict[str, str],
    positions: dict[str, np.ndarray],
    ends: dict[str, np.ndarray],
    parents: dict[str, str],
    length: float,
) -> bool:
    on_body = [name for name in pair if body_of[name] == body]
    if len(on_body) == 2:
        return True
    if not on_body:
        return False
    other = next(name for name in pair if body_of[name] != body)
    for end, centre in ends.items():
        # Beyond the proximal joint are ancestors; beyond a distal one, that child and its own.
        is_beyond = (
            body_of[other] in _ancestors(body, parents)
            if end == body
            else end in [body_of[other], *_ancestors(body_of[other], parents)]
        )
        if is_beyond and np.linalg.norm(positions[other] - centre) <= NEAR_JOINT * length:
            return True
    return False


def _body_tree(model: Any, state: Any) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Parent body of every body, and the centre of the joint between them in the ground."""
    parents, centres = {}, {}
    joints = model.getJointSet()
    for i in range(joints.getSize()):
        child = joints.get(i).getChildFrame()
        body = child.findBaseFrame().getName()
        parents[body] = joints.get(i).getParentFrame().findBaseFrame().getName()
        centres[body] = child.getPositionInGround(state).to_numpy()
    return parents, centres


def _ancestors(body: str, parents: dict[str, str]) -> list[str]:
    found: list[str] = []
    while body in parents:
        body = parents[body]
        found.append(body)
    return found


def find_factor_sources(model: Any, pairs: dict[str, list[Pair]]) -> dict[str, str]:
    """For every body without a pair, the body whose factor it takes."""
    parents, _ = _body_tree(model, model.initSystem())
    sources = {}
    for body in parents:
        if body in pairs:
            continue
        below = [b for b in pairs if body in _ancestors(b, parents)]
        above = [b for b in _ancestors(body, parents) if b in pairs]
        # Where no descendant or ancestor is measured, any measured body is taken.
        nearest = sorted(below, key=lambda b: _ancestors(b, parents).index(body))
        sources[body] = next(iter([*nearest, *above, *pairs]))
    return sources
