"""One run of OpenSim's ScaleTool: its set-up file, its process and what it reports."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError
from nem2e_tf.simulation.marker_pairs import Pair
from nem2e_tf.simulation.opensim_tools import run_tool_process

ACCURACY = 1e-9
"""Of the inverse kinematics of the static pose; 1e-8 leaves 0.05 mm."""


@dataclass(frozen=True)
class Subject:
    """The subject's data for ScaleTool.

    Args:
        name: str. The static trial's, for messages.
        static: path. The mean of the static trial, as a .trc file.
        mass: float. Kilograms.
        height: float or None. Metres.
        weights: dict of marker to its weight in the inverse kinematics of marker placement.
        pairs: marker pairs by the body that they measure.
        inherited: body by the body that takes its factor from it.
    """

    name: str
    static: Path
    mass: float
    height: float | None
    weights: dict[str, float]
    pairs: dict[str, list[Pair]]
    inherited: dict[str, str]


def run_scale_tool(
    model: Any, subject: Subject, folder: Path, factors: dict[str, float] | None
) -> tuple[dict[str, float], str]:
    """Run ScaleTool on the model; the factors that it used, by body, and its log.

    It leaves `scaled.osim` and its `pose.mot`. Factors of None are measured from the subject's
    marker pairs; given ones are used, and `subject.osim` has the markers moved as well.
    """
    import opensim

    model.printToXML(str(folder / "generic.osim"))
    tool = opensim.ScaleTool()
    tool.setName("subject")
    tool.setSubjectMass(subject.mass)
    if subject.height is not None:
        tool.setSubjectHeight(1000 * subject.height)
    tool.getGenericModelMaker().setModelFileName("generic.osim")
    scaler = tool.getModelScaler()
    _set_up_scaler(scaler, subject, factors)
    scaler.setOutputModelFileName("scaled.osim")
    scaler.setOutputScaleFileName("factors.xml")
    placer = tool.getMarkerPlacer()
    placer.setApply(factors is not None)
    placer.setMarkerFileName(str(subject.static))
    placer.setTimeRange(_fill_array(opensim.ArrayDouble(), [0.0, 0.01]))
    placer.setMoveModelMarkers(True)
    placer.setOutputModelFileName("subject.osim")
    for name, weight in subject.weights.items():
        task = opensim.IKMarkerTask()
        task.setName(name)
        task.setWeight(weight)
        placer.getIKTaskSet().cloneAndAppend(task)
    tool.printToXML(str(folder / "tool.xml"))
    run = {
        "run": "scale", "markers": str(subject.static), "weights": subject.weights,
        "accuracy": ACCURACY, "outputs": ["scaled.osim"] + ["subject.osim"] * bool(factors),
    }  # fmt: skip
    log = run_tool_process(run, folder, f"{subject.name}: scaling")
    found = opensim.ScaleSet(str(folder / "factors.xml"))
    scales = [found.get(i) for i in range(found.getSize())]
    return {s.getSegmentName(): float(s.getScaleFactors().get(0)) for s in scales}, log


def _set_up_scaler(scaler: Any, subject: Subject, factors: dict[str, float] | None) -> None:
    import opensim

    scaler.setApply(True)
    scaler.setMarkerFileName(str(subject.static))
    scaler.setTimeRange(_fill_array(opensim.ArrayDouble(), [0.0, 0.01]))
    scaler.setPreserveMassDist(True)
    order = "measurements" if factors is None else "manualScale"
    scaler.setScalingOrder(_fill_array(opensim.ArrayStr(), [order]))
    for body, factor in (factors or {}).items():
        scale = opensim.Scale()
        scale.setSegmentName(body)
        scale.setScaleFactors(opensim.Vec3(factor))
        scale.setApply(True)
        scaler.addScale(scale)
    for body, pairs in subject.pairs.items() if factors is None else ():
        measurement = opensim.Measurement()
        measurement.setName(body)
        measurement.setApply(True)
        for first, second in pairs:
            measurement.getMarkerPairSet().cloneAndAppend(opensim.MarkerPair(first, second))
        sharing = [b for b, source in subject.inherited.items() if source == body]
        for shared in [body, *sharing]:
            part = opensim.BodyScale()
            part.setName(shared)
            part.setAxisNames(_fill_array(opensim.ArrayStr(), "XYZ"))
            measurement.getBodyScaleSet().cloneAndAppend(part)
        scaler.addMeasurement(measurement)


def _fill_array(empty: Any, values: Iterable[Any]) -> Any:
    for value in values:
        empty.append(value)
    return empty


def parse_marker_errors(log: str) -> tuple[float, float, str]:
    """RMS, worst and its marker, m, as inverse kinematics reports them."""
    found = re.findall(r"marker error: RMS = (\S+), max = (\S+) \((.+)\)", log)
    if not found:
        raise InputError("scaling: inverse kinematics reported no marker errors")
    rms, worst, marker = found[-1]
    return float(rms), float(worst), marker
