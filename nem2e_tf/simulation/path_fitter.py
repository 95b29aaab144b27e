"""OpenSim's PolynomialPathFitter: the fit of muscle paths in a pruned copy of a model."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from nem2e_tf.errors import InputError
from nem2e_tf.simulation.model import LegModel, opensim_reason
from nem2e_tf.simulation.polynomial import Polynomial
from nem2e_tf.simulation.posture import find_couplers

MAX_ORDER = 8

LENGTH_TOLERANCE, MOMENT_ARM_TOLERANCE = 3e-4, 3e-4
"""Metres, root mean square, below which the fitter raises a polynomial's order no further."""

DESIGNS, POSES_PER_DESIGN = 6, 150
"""Latin hypercube designs over the range of the joints, and poses in each."""


def run_fitter(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]], folder: Path
) -> Path:
    """Run OpenSim's `PolynomialPathFitter` on a copy of the model without other muscles and joints.

    The fitter takes every path's moment arm about every coordinate in every pose, so the
    pruned copy is some ten times as fast. Poses fill the range of the joints:
    the fitter samples around the rows of a table, all of which are the middle of the range.
    """
    import opensim
    from joblib import cpu_count

    folder.mkdir()
    model, welded = _prune_model(leg, muscles, joints)
    dependent = {c.dependent for c in find_couplers(leg.model)[0]}
    model.printToXML(str(folder / "pruned.osim"))
    names = opensim.StdVectorString()
    for name in welded:
        names.push_back(name)
    processor = opensim.ModelProcessor(str(folder / "pruned.osim"))
    processor.append(opensim.ModOpReplaceJointsWithWelds(names))

    fitter = opensim.PolynomialPathFitter()
    middle, labels = [], opensim.StdVectorString()
    coordinates = model.getCoordinateSet()
    for coordinate in (coordinates.get(i) for i in range(coordinates.getSize())):
        name = coordinate.getName()
        if coordinate.getJoint().getName() in welded or name in dependent:
            continue
        rest = coordinate.getDefaultValue()
        low, high = joints.get(name, (rest, rest))
        path = coordinate.getAbsolutePathString()
        middle.append((low + high) / 2)
        labels.push_back(f"{path}/value")
        # The fitter expects degrees here, for translations too.
        half = float(np.rad2deg((high - low) / 2))
        fitter.appendCoordinateSamplingBounds(path, opensim.Vec2(-half, half))
    table = opensim.TimeSeriesTable()
    table.setColumnLabels(labels)
    for design in range(DESIGNS):
        table.appendRow(float(design), opensim.RowVector(middle))
    table.addTableMetaDataString("inDegrees", "no")
    fitter.setModel(processor)
    fitter.setCoordinateValues(opensim.TableProcessor(table))
    fitter.setNumSamplesPerFrame(POSES_PER_DESIGN)
    fitter.setLatinHypercubeAlgorithm("random")
    fitter.setNumParallelThreads(min(cpu_count(), DESIGNS))
    fitter.setMaximumPolynomialOrder(MAX_ORDER)
    fitter.setPathLengthTolerance(LENGTH_TOLERANCE)
    fitter.setMomentArmTolerance(MOMENT_ARM_TOLERANCE)
    fitter.setOutputDirectory(str(folder))
    try:
        fitter.run()
    except RuntimeError as error:
        raise InputError(
            f"{leg.path}: OpenSim cannot fit polynomial paths to this model:"
            f" {opensim_reason(error)}; use exact paths"
        ) from None
    return next(folder.glob("*_FunctionBasedPathSet.xml"))


def _prune_model(
    leg: LegModel, muscles: tuple[str, ...], joints: dict[str, tuple[float, float]]
) -> tuple[Any, list[str]]:
    """A copy of the model with these muscles only, and the joints that may be welded."""
    import opensim

    found, others = find_couplers(leg.model)
    if others:
        raise InputError(
            f"{leg.path}: this model has constraints that polynomial paths cannot follow;"
            " use exact paths"
        )
    model = opensim.Model(str(leg.path))
    forces = model.updForceSet()
    for i in reversed(range(forces.getSize())):
        if forces.get(i).getName() not in muscles:
            forces.remove(i)
    moving = set(joints) | {c.dependent for c in found if set(c.independent) & set(joints)}
    coordinates = model.updCoordinateSet()
    every = [coordinates.get(i) for i in range(coordinates.getSize())]
    kept = {c.getJoint().getName() for c in every if c.getName() in moving}
    welded = dict.fromkeys(c.getJoint().getName() for c in every)
    for coordinate in every:
        if coordinate.getName() in joints:
            # Samples outside a coordinate's range would be clipped to it.
            coordinate.setRangeMin(joints[coordinate.getName()][0])
            coordinate.setRangeMax(joints[coordinate.getName()][1])
    constraints = model.updConstraintSet()
    for i in reversed(range(constraints.getSize())):
        coupler = opensim.CoordinateCouplerConstraint.safeDownCast(constraints.get(i))
        if coupler is None or coupler.getDependentCoordinateName() not in moving:
            constraints.remove(i)
    model.finalizeFromProperties()
    model.finalizeConnections()
    return model, [name for name in welded if name not in kept]


def read_polynomials(path: Path) -> list[Polynomial]:
    """The polynomials of an OpenSim file of function-based paths."""
    made = []
    for element in ElementTree.parse(path).getroot().iter("FunctionBasedPath"):
        function = element.find("length_function/MultivariatePolynomialFunction")
        assert function is not None
        made.append(
            Polynomial(
                muscle=element.attrib["name"].split("/")[-1],
                coordinates=tuple(
                    name.split("/")[-1]
                    for name in (element.findtext("coordinate_paths") or "").split()
                ),
                order=int(function.findtext("order") or 0),
                coefficients=np.array(
                    [float(x) for x in (function.findtext("coefficients") or "").split()]
                ),
            )
        )
    return made
