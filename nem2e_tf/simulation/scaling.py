"""Scaling of a generic model to a subject, by OpenSim's ScaleTool from a static trial.

ScaleTool measures the model in its default pose, and a pair of markers over a joint reaches into
the next body, so the subject's pose and the other body's size would change the result. Therefore
each pass measures the model that the previous pass scaled, in the pose that inverse kinematics
found, until the factors of a pass are one; then the generic model is scaled once by the products
of all factors. The pairs are chosen by the rules of `find_marker_pairs`.
"""

import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.errors import InputError
from nem2e_tf.files import (
    check_document,
    check_input,
    describe_pairs,
    read_markers,
    read_motion,
    replace_file,
)
from nem2e_tf.files import marker_names as marker_labels
from nem2e_tf.simulation.marker_pairs import (
    Pair,
    find_factor_sources,
    find_marker_pairs,
    initial_factors,
    mean_positions,
    model_markers,
    write_static_markers,
)
from nem2e_tf.simulation.model import opensim_reason
from nem2e_tf.simulation.scale_tool import Subject, parse_marker_errors, run_scale_tool

MAX_PASSES = 12
CONVERGED = 1e-3
"""Largest difference of a pass's factors from one at which the passes end."""

MIN_FACTOR, MAX_FACTOR = 0.4, 2.5
"""From an infant to more than any adult, relative to an adult model."""


LANDMARK_WEIGHT, CLUSTER_WEIGHT = 10.0, 1.0
"""In the inverse kinematics of the static pose, where the model marks its landmarks `fixed`."""

MAX_RMS, MAX_ERROR = 0.01, 0.02
"""m. What OpenSim's user guide accepts of a static pose, RMS and worst marker."""


@dataclass(frozen=True)
class Scaling:
    """The result of scaling.

    Args:
        model: str. The .osim file written.
        mass: float. Kilograms.
        height: float or None. Metres; recorded, not used.
        factors: dict of body to its scale factor.
        pairs: dict of measured body to its marker pairs.
        inherited: dict of a body without a pair to the body whose factor it took.
        unused: markers of the model that the static trial does not show throughout.
        rms: float. RMS marker error of the scaled model in the static pose, m, before markers
            were moved onto it.
        worst: float. Error of the worst marker, m.
        worst_marker: str.
    """

    model: str
    mass: float
    height: float | None
    factors: dict[str, float]
    pairs: dict[str, list[Pair]]
    inherited: dict[str, str]
    unused: list[str]
    rms: float
    worst: float
    worst_marker: str

    def warnings(self) -> list[str]:
        """A sentence for each error that is larger than OpenSim's user guide accepts."""
        warnings = []
        if self.rms > MAX_RMS:
            warnings.append(
                f"the markers of the static pose are {1000 * self.rms:.0f} mm (RMS) off the scaled"
                f" model; at most {1000 * MAX_RMS:.0f} mm is accepted"
            )
        if self.worst > MAX_ERROR:
            warnings.append(
                f"marker {self.worst_marker} is {1000 * self.worst:.0f} mm off the scaled model;"
                f" at most {1000 * MAX_ERROR:.0f} mm is accepted; check its position on the subject"
            )
        return warnings

    def as_json(self) -> dict[str, Any]:
        """Everything, in tables and lists."""
        return {**asdict(self), "warnings": self.warnings()}

    def lines(self) -> list[str]:
        """Factors by body, a line each, then the marker errors."""
        width = max(map(len, self.factors))
        lines = []
        for body, factor in self.factors.items():
            pairs = ", ".join(f"{a} – {b}" for a, b in self.pairs.get(body, []))
            lines.append(f"{body:{width}}  {factor:.3f}  {pairs or 'as ' + self.inherited[body]}")
        lines.append(
            f"marker errors: RMS {1000 * self.rms:.1f} mm, worst {1000 * self.worst:.1f} mm"
            f" ({self.worst_marker})"
        )
        return lines


def scale_model(
    generic: str | os.PathLike[str],
    static: str | os.PathLike[str],
    mass: float,
    output: str | os.PathLike[str],
    *,
    height: float | None = None,
    start: float | None = None,
    end: float | None = None,
    up: str | None = None,
    marker_names: str | os.PathLike[str] | None = None,
    marker_prefix: str | None = None,
) -> Scaling:
    """Scale a generic model to a subject and put its markers where the subject's are.

    Args:
        generic: str or path. The .osim file, with a marker set.
        static: str or path. Markers of a quiet stance, .trc or .c3d.
        mass: float. Of the subject, kg; spread over the bodies as the generic model has it.
        output: str or path. Where to write the scaled model (.osim).
        height: float or None. Of the subject, m. Recorded in the report and in ScaleTool's set-up.
        start: float or None. First second of the static trial to use; None is its first.
        end: float or None. Last second; None is its last.
        up: str or None. The axis that points up in a .c3d, as in `nem2e_tf.files.read_c3d`.
        marker_names: str, path or None. As `names` of `nem2e_tf.files.read_markers`.
        marker_prefix: str or None. As `prefix` of `nem2e_tf.files.read_markers`.

    Raises:
        InputError: a file or number that cannot be used, no markers in common, or a tool that
            failed.
    """
    if not 1.0 <= mass <= 400.0:
        raise InputError(f"a body mass of {mass:g} kg is not a person's; give it in kilograms")
    if height is not None and not 0.3 <= height <= 2.8:
        raise InputError(f"a height of {height:g} m is not a person's; give it in metres")
    generic, static = check_input(generic, "a generic model"), check_input(static, "a static trial")
    check_document(generic, "an OpenSim model", "Model")
    model = _load_model(generic)
    recorded = read_markers(static, up, prefix=marker_prefix, names=marker_names)
    static_positions = mean_positions(recorded, start, end)
    markers = model_markers(model)
    common = [name for name in markers if name in static_positions]
    if len(common) < 3:
        raise InputError(
            f"{static}: only {len(common)} of its markers are in {generic.name}; use a model with"
            " the marker set of this laboratory;"
            f" {describe_pairs(markers, marker_labels(recorded))}"
        )
    pairs = find_marker_pairs(model, common)
    if not pairs:
        raise InputError(f"{static}: no two of its markers measure a body of {generic.name}")
    _check_factors(initial_factors(model, pairs, static_positions), static)
    has_landmarks = any(markers[name] for name in common)
    with tempfile.TemporaryDirectory(prefix="nem2e-") as temporary_folder:
        folder = Path(temporary_folder)
        write_static_markers(
            {name: static_positions[name] for name in common}, folder / "static.trc"
        )
        subject = Subject(
            name=str(static),
            static=folder / "static.trc",
            mass=mass,
            height=height,
            weights={
                name: LANDMARK_WEIGHT if markers[name] or not has_landmarks else CLUSTER_WEIGHT
                for name in common
            },
            pairs=pairs,
            inherited=find_factor_sources(model, pairs),
        )
        factors = dict.fromkeys([*pairs, *subject.inherited], 1.0)
        for _ in range(MAX_PASSES):
            remaining = run_scale_tool(model, subject, folder, None)[0]
            factors = {body: factor * remaining[body] for body, factor in factors.items()}
            _check_factors(factors, static)
            model = _load_model(folder / "scaled.osim")
            _set_pose(model, folder / "pose.mot")
            if max(abs(factor - 1.0) for factor in remaining.values()) < CONVERGED:
                break
        else:
            raise InputError(
                f"{static}: scaling does not converge; choose a part with less motion"
                " with --start and --end"
            )
        # Marker placement ends near where it starts, so it starts in the pose that was found.
        original, posed = _load_model(generic), _load_model(generic)
        _set_pose(posed, folder / "pose.mot")
        rms, worst, worst_marker = parse_marker_errors(
            run_scale_tool(posed, subject, folder, factors)[1]
        )
        scaled = _load_model(folder / "subject.osim")
        _restore_pose(scaled, original)
        with replace_file(output) as temporary:
            scaled.printToXML(str(temporary))
    return Scaling(
        model=str(output), mass=mass, height=height, factors=factors, pairs=pairs,
        inherited=subject.inherited, unused=[m for m in markers if m not in common], rms=rms,
        worst=worst, worst_marker=worst_marker,
    )  # fmt: skip


def _check_factors(factors: dict[str, float], static: Path) -> None:
    for body, factor in factors.items():
        if not MIN_FACTOR <= factor <= MAX_FACTOR:
            raise InputError(
                f"{static}: '{body}' would be scaled by {factor:.3g}; check its units, and that its"
                " marker names are the model's"
            )


def _load_model(path: Path) -> Any:
    import opensim

    opensim.Logger.setLevelString("Off")
    opensim.Logger.removeFileSink()
    try:
        model = opensim.Model(str(path))
        model.initSystem()
    except RuntimeError as error:
        raise InputError(
            f"{path}: OpenSim cannot read this model: {opensim_reason(error)}"
        ) from None
    return model


def _set_pose(model: Any, pose: Path) -> None:
    """Make the first frame of a motion the model's default pose."""
    coordinates = model.getCoordinateSet()
    every = [coordinates.get(i) for i in range(coordinates.getSize())]
    import opensim

    rotational = opensim.Coordinate.Rotational
    angles = [c.getName() for c in every if c.getMotionType() == rotational]
    values = read_motion(pose, angles).iloc[0]
    for coordinate in every:
        if coordinate.getName() in values:
            coordinate.setDefaultValue(float(values[coordinate.getName()]))


def _restore_pose(model: Any, original: Any) -> None:
    for i in range(original.getCoordinateSet().getSize()):
        coordinate = original.getCoordinateSet().get(i)
        same = model.updCoordinateSet().get(coordinate.getName())
        same.setDefaultValue(coordinate.getDefaultValue())
