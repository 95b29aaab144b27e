"""A right leg with its muscles, of any body mass and height, built through the OpenSim API.

`leg.yaml` holds the published numbers and their sources; this module scales and assembles them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    import opensim

# How muscle force grows with body mass among people: Jaric (2002), Sports Med 32:615-631.
_STRENGTH_EXPONENT = 2.0 / 3.0


@cache
def _table() -> dict[str, Any]:
    text = files(__package__).joinpath("leg.yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.safe_load(text)
    return table


def build_leg(
    mass: float = 75.0,
    height: float = 1.75,
    proportions: Mapping[str, float] | None = None,
    strength: float = 1.0,
) -> opensim.Model:
    """A right leg of 5 degrees of freedom and 24 muscles, its pelvis fixed to the ground.

    Coordinates, in radians, with the names and signs of Gait2392: hip_flexion_r, hip_adduction_r,
    hip_rotation_r (internal positive), knee_angle_r (extension positive), ankle_angle_r
    (dorsiflexion positive). Muscles are Millard2012EquilibriumMuscle and have the names of
    Gait2392. There are no contact, ligaments or torso: the leg is for muscle geometry, force
    capacity and the sharing of given joint moments.

    Every length (segments, attachments, knee translation, fibres, tendons) is proportional to
    height, so normalised fibre lengths do not depend on it; segment masses are proportional to
    body mass, inertias to mass times height squared, and maximum isometric forces to body mass to
    the power 2/3 (Jaric 2002). A segment of other proportions is scaled with all that is attached
    to it, and fibre and tendon of a muscle with its length in the upright pose, as OpenSim's
    scaling tool does.

    Args:
        mass: of the whole body in kg.
        height: of the body in m.
        proportions: dict or None. By segment (`pelvis`, `femur_r`, `tibia_r`, `calcn_r`), its
            length over that of a segment of average proportions; 1 if left out.
        strength: of all muscles, over that of the table, whose forces come from cadavers.

    Returns:
        Model with connections finalised, ready for `initSystem`.

    Raises:
        ValueError: mass, height, strength or a proportion is not a positive finite number, or
            there is no such segment.
    """
    proportions = proportions or {}
    sizes = {"mass": mass, "height": height, "strength": strength, **proportions}
    for name, value in sizes.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be a positive number, not {value!r}")

    import opensim

    table = _table()
    for name in proportions:
        if name not in table["segments"]:
            raise ValueError(
                f"there is no segment {name!r}; there are {', '.join(table['segments'])}"
            )
    average = height / table["height"]
    lengths = {name: average * proportions.get(name, 1.0) for name in table["segments"]}
    masses = mass / table["mass"]

    model = opensim.Model()
    model.setName("leg")
    for name, segment in table["segments"].items():
        model.addBody(_make_body(name, segment, lengths[name], masses))
    bodies = model.getBodySet()
    model.addJoint(opensim.WeldJoint("ground_pelvis", model.getGround(), bodies.get("pelvis")))
    for name, joint in table["joints"].items():
        model.addJoint(_make_joint(name, joint, bodies, lengths))
    # A joint creates its coordinates when the model is finalised, and path points refer to them.
    model.finalizeFromProperties()
    for joint in table["joints"].values():
        for name, coordinate in joint["coordinates"].items():
            lowest, highest = coordinate["range"]
            model.updCoordinateSet().get(name).setRangeMin(lowest)
            model.updCoordinateSet().get(name).setRangeMax(highest)
    force = strength * masses**_STRENGTH_EXPONENT
    for name, muscle in table["muscles"].items():
        made_muscle = _make_muscle(name, muscle, table["quadriceps_knots"], model, lengths)
        made_muscle.setMaxIsometricForce(muscle["force"] * force)
        made_muscle.setOptimalFiberLength(muscle["fibre_length"] * average)
        made_muscle.setTendonSlackLength(muscle["slack_length"] * average)
        model.addForce(made_muscle)
    model.finalizeConnections()
    if any(value != 1.0 for value in proportions.values()):
        for name, length in _upright_lengths(model).items():
            stretch = length / (average * _average_lengths()[name])
            scaled_muscle = model.getMuscles().get(name)
            scaled_muscle.setOptimalFiberLength(scaled_muscle.getOptimalFiberLength() * stretch)
            scaled_muscle.setTendonSlackLength(scaled_muscle.getTendonSlackLength() * stretch)
        model.finalizeConnections()
    return model


def _upright_lengths(model: opensim.Model) -> dict[str, float]:
    """Muscle-tendon lengths in metres in the default pose, by muscle."""
    state = model.initSystem()
    muscles = model.getMuscles()
    all_muscles = [muscles.get(index) for index in range(muscles.getSize())]
    return {muscle.getName(): float(muscle.getLength(state)) for muscle in all_muscles}


@cache
def _average_lengths() -> dict[str, float]:
    """Muscle-tendon lengths of the leg of `leg.yaml` in the default pose, in metres, by muscle."""
    table = _table()
    return _upright_lengths(build_leg(table["mass"], table["height"]))


def _make_vector(numbers: Sequence[float], scale: float = 1.0) -> opensim.Vec3:
    import opensim

    x, y, z = (float(number) * scale for number in numbers)
    return opensim.Vec3(x, y, z)


def _make_spline(x: Sequence[float], y: Sequence[float], scale: float) -> opensim.SimmSpline:
    import opensim

    spline = opensim.SimmSpline()
    for knot, value in zip(x, y, strict=True):
        spline.addPoint(knot, value * scale)
    return spline


def _make_body(
    name: str, segment: Mapping[str, Any], lengths: float, masses: float
) -> opensim.Body:
    import opensim

    xx, yy, zz = (value * masses * lengths**2 for value in segment["inertia"])
    centre = _make_vector(segment["centre"], lengths)
    return opensim.Body(name, segment["mass"] * masses, centre, opensim.Inertia(xx, yy, zz))


def _make_joint(
    name: str, joint: Mapping[str, Any], bodies: opensim.BodySet, lengths: Mapping[str, float]
) -> opensim.CustomJoint:
    import opensim

    transform = opensim.SpatialTransform()
    coordinates = joint["coordinates"]
    axes = [coordinate["axis"] for coordinate in coordinates.values()]
    # The remaining axes have to complete a basis for the joint to be valid. set_function copies the
    # function; after setFunction, Python would free it a second time.
    for index, axis in enumerate(_complete_axes(axes)):
        rotation = transform.updTransformAxis(index)
        rotation.setAxis(_make_vector(axis))
        if index < len(axes):
            rotation.setCoordinateNames(opensim.ArrayStr(list(coordinates)[index], 1))
            rotation.set_function(opensim.LinearFunction(1.0, 0.0))
    for direction, curve in joint.get("translation", {}).items():
        translation = transform.updTransformAxis(3 + "xyz".index(direction))
        (angle,) = coordinates
        translation.setCoordinateNames(opensim.ArrayStr(angle, 1))
        translation.set_function(
            _make_spline(curve["angle"], curve["metres"], lengths[joint["parent"]])
        )

    return opensim.CustomJoint(
        name,
        bodies.get(joint["parent"]),
        _make_vector(joint["in_parent"], lengths[joint["parent"]]),
        opensim.Vec3(0),
        bodies.get(joint["child"]),
        _make_vector(joint["in_child"], lengths[joint["child"]]),
        opensim.Vec3(0),
        transform,
    )


def _complete_axes(axes: list[list[float]]) -> list[list[float]]:
    """Three axes: those given, and where one is given two more that are not parallel to it."""
    if len(axes) == 3:
        return axes
    x, _, z = axes[0]
    return [*axes, [0.0, 1.0, 0.0], [z, 0.0, -x]]


def _make_muscle(
    name: str,
    muscle: Mapping[str, Any],
    knots: Sequence[float],
    model: opensim.Model,
    lengths: Mapping[str, float],
) -> opensim.Millard2012EquilibriumMuscle:
    import opensim

    made_muscle = opensim.Millard2012EquilibriumMuscle(
        name, muscle["force"], muscle["fibre_length"], muscle["slack_length"], muscle["pennation"]
    )
    # OpenSim sets this itself for a muscle with fibre damping, and prints a warning for each.
    made_muscle.upd_ActiveForceLengthCurve().setMinValue(0.0)
    points = made_muscle.updGeometryPath().updPathPointSet()
    for index, place in enumerate(muscle["path"], start=1):
        point = _make_path_point(place, knots, model, lengths[place["segment"]])
        point.setName(f"{name}-P{index}")
        points.adoptAndAppend(point)
    return made_muscle


def _make_path_point(
    place: Mapping[str, Any], knots: Sequence[float], model: opensim.Model, lengths: float
) -> opensim.AbstractPathPoint:
    import opensim

    coordinates = model.getCoordinateSet()
    point: opensim.AbstractPathPoint
    if "while" in place:
        ((coordinate, (lowest, highest)),) = place["while"].items()
        point = opensim.ConditionalPathPoint()
        point.setCoordinate(coordinates.get(coordinate))
        point.setRangeMin(lowest)
        point.setRangeMax(highest)
        point.setLocation(_make_vector(place["at"], lengths))
    elif "x" in place:
        knee = coordinates.get("knee_angle_r")
        point = opensim.MovingPathPoint()
        point.setXCoordinate(knee)
        point.setYCoordinate(knee)
        point.setZCoordinate(knee)
        point.set_x_location(_make_spline(knots, place["x"], lengths))
        point.set_y_location(_make_spline(knots, place["y"], lengths))
        point.set_z_location(opensim.Constant(place["z"] * lengths))
    else:
        point = opensim.PathPoint()
        point.setLocation(_make_vector(place["at"], lengths))
    point.setParentFrame(model.getBodySet().get(place["segment"]))
    return point
