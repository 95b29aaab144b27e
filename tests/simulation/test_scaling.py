"""Scaling: known sizes recovered, from real markers and from synthetic ones."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nem2e_tf.files import marker_names, read_markers
from nem2e_tf.simulation import scale_model
from nem2e_tf.simulation.marker_pairs import find_marker_pairs, mean_positions
from tests import command
from tests.files.c3d_files import write_c3d

Refused = Callable[..., AbstractContextManager[None]]

# Frames of the stride; there is no static trial of this subject, and none is needed to compare.
SOME = {"start": 0.5, "end": 0.52}
POSE = {
    "hip_flexion_r": 0.12, "hip_adduction_r": -0.06, "knee_angle_r": 0.15, "ankle_angle_r": 0.08,
    "hip_flexion_l": -0.05, "knee_angle_l": 0.05, "lumbar_extension": -0.08, "pelvis_tilt": 0.05,
    "pelvis_rotation": 0.6, "arm_flex_r": 0.2, "arm_add_r": -0.3, "elbow_flex_l": 0.4,
}  # fmt: skip


@pytest.fixture(scope="module")
def subject(overground: Path) -> Path:
    """The 80-muscle model of a subject, with 65 markers."""
    return overground / "subject_walk_scaled.osim"


def scale_bodies(opensim: Any, path: Path, factors: dict[str, float], output: Path) -> Path:
    """A model with its bodies scaled by OpenSim; the others stay as they are."""
    model = opensim.Model(str(path))
    state = model.initSystem()
    scales = opensim.ScaleSet()
    for body, factor in factors.items():
        scale = opensim.Scale()
        scale.setSegmentName(body)
        scale.setScaleFactors(opensim.Vec3(factor))
        scale.setApply(True)
        scales.cloneAndAppend(scale)
    assert model.scale(state, scales, True, 70.0)
    model.initSystem()
    model.printToXML(str(output))
    return output


def bodies(opensim: Any, path: Path) -> list[str]:
    model = opensim.Model(str(path))
    return [model.getBodySet().get(i).getName() for i in range(model.getNumBodies())]


def write_synthetic_static(opensim: Any, path: Path, output: Path, pose: dict[str, float]) -> Path:
    """A synthetic static trial: every marker of a model in a pose, 20 frames at 100 Hz, in mm."""
    model = opensim.Model(str(path))
    state = model.initSystem()
    for name, value in pose.items():
        model.getCoordinateSet().get(name).setValue(state, value, False)
    model.assemble(state)
    model.realizePosition(state)
    found = model.getMarkerSet()
    markers = [found.get(i) for i in range(found.getSize())]
    places = [1000 * m.getLocationInGround(state).to_numpy() for m in markers]
    names = "\t\t\t".join(m.getName() for m in markers)
    axes = "\t".join(f"{axis}{i + 1}" for i in range(len(markers)) for axis in "XYZ")
    values = "\t".join(f"{value:.4f}" for place in places for value in place)
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{output.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"100\t100\t20\t{len(markers)}\tmm\t100\t1\t20",
        f"Frame#\tTime\t{names}",
        f"\t\t{axes}",
        "",
        *(f"{i + 1}\t{i / 100:.2f}\t{values}" for i in range(20)),
    ]
    output.write_text("\n".join(lines) + "\n")
    return output


@pytest.fixture(scope="module")
def scaled(
    subject: Path, overground: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The folder of own.osim, the subject's own model from real markers, and the report of it."""
    folder = tmp_path_factory.mktemp("scaled")
    done = command.start(
        "scale", "--generic", subject, "--static", overground / "markers_walk.trc",
        "--mass", 72.5, "--start", 0.5, "--end", 0.52, "-o", "own.osim", "--json", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr
    return folder, json.loads(done.stdout)


def test_a_model_a_known_amount_too_large_comes_out_the_same_from_real_markers(
    opensim: Any, subject: Path, overground: Path, scaled: tuple[Path, dict[str, Any]],
    tmp_path: Path,
) -> None:  # fmt: skip
    large = scale_bodies(
        opensim, subject, dict.fromkeys(bodies(opensim, subject), 1.08), tmp_path / "l.osim"
    )
    markers, right = overground / "markers_walk.trc", scaled[1]
    mended = scale_model(large, markers, 72.5, tmp_path / "mended.osim", **SOME)
    pairs = json.loads(json.dumps(mended.pairs))
    same = [body for body, found in right["pairs"].items() if pairs.get(body) == found]
    assert {"pelvis", "femur_r", "tibia_r", "calcn_r", "femur_l", "tibia_l", "calcn_l"} <= set(same)
    for body in same:
        assert 1.08 * mended.factors[body] == pytest.approx(right["factors"][body], rel=0.005), body
    # The model was fitted to this subject in the first place.
    assert np.mean(list(right["factors"].values())) == pytest.approx(1.0, abs=0.03)


def test_a_synthetic_subject_of_known_size_and_pose_is_recovered(
    opensim: Any, subject: Path, tmp_path: Path
) -> None:
    known = dict.fromkeys(bodies(opensim, subject), 1.0)
    known |= {"pelvis": 0.96, "torso": 1.04}
    for side in "rl":
        known |= {f"femur_{side}": 1.06, f"patella_{side}": 1.06, f"tibia_{side}": 0.94}
        known |= {f"{b}_{side}": 1.03 for b in ("talus", "calcn", "toes")}
        known |= {f"{b}_{side}": 0.98 for b in ("humerus", "ulna", "radius", "hand")}
    giant = scale_bodies(opensim, subject, known, tmp_path / "giant.osim")
    static = write_synthetic_static(opensim, giant, tmp_path / "static.trc", POSE)
    scaling = scale_model(subject, static, 80.0, tmp_path / "own.osim")
    for body, factor in known.items():
        assert scaling.factors[body] == pytest.approx(factor, rel=0.01), body
    assert scaling.rms < 0.001 and scaling.worst < 0.002
    assert scaling.warnings() == []

    own, generic = (opensim.Model(str(p)) for p in (tmp_path / "own.osim", subject))
    assert own.getTotalMass(own.initSystem()) == pytest.approx(80.0)
    coordinates = generic.getCoordinateSet()
    for i in range(coordinates.getSize()):
        name = coordinates.get(i).getName()
        stays = own.getCoordinateSet().get(name).getDefaultValue()
        assert stays == pytest.approx(coordinates.get(i).getDefaultValue(), abs=1e-9)


def test_another_marker_set_and_model_are_recovered_too(
    opensim: Any, lower_limb: Path, tmp_path: Path
) -> None:
    generic = lower_limb / "gait2392.osim"
    known = dict.fromkeys(bodies(opensim, generic), 0.9)
    small = scale_bodies(opensim, generic, known, tmp_path / "small.osim")
    pose = {"hip_flexion_r": 0.15, "knee_angle_l": -0.1}
    static = write_synthetic_static(opensim, small, tmp_path / "static.trc", pose)
    scaling = scale_model(generic, static, 50.0, tmp_path / "own.osim", height=1.6)
    assert scaling.height == 1.6
    for body, factor in known.items():
        assert scaling.factors[body] == pytest.approx(factor, rel=0.01), body


def test_moved_markers_are_where_the_subject_wore_them(
    opensim: Any, subject: Path, overground: Path, scaled: tuple[Path, dict[str, Any]],
    tmp_path: Path,
) -> None:  # fmt: skip
    markers = overground / "markers_walk.trc"
    errors = {}
    for name, path in (("generic", subject), ("own", scaled[0] / "own.osim")):
        tool, model = opensim.InverseKinematicsTool(), opensim.Model(str(path))
        tool.setModel(model)
        tool.setMarkerDataFileName(str(markers))
        tool.setStartTime(SOME["start"])
        tool.setEndTime(SOME["end"])
        tool.setResultsDir(str(tmp_path))
        tool.setOutputMotionFileName(str(tmp_path / "ik.mot"))
        tool.set_report_errors(True)
        assert tool.run()
        table = opensim.TimeSeriesTable(str(tmp_path / "_ik_marker_errors.sto"))
        errors[name] = table.getDependentColumn("marker_error_RMS").to_numpy().mean()
    assert errors["own"] < 0.7 * errors["generic"]


def test_landmarks_measure_before_clusters_and_a_body_without_a_pair_inherits(
    opensim: Any, subject: Path, overground: Path, tmp_path: Path
) -> None:
    model = opensim.Model(str(subject))
    shown = set(mean_positions(read_markers(overground / "markers_walk.trc"), None, None))
    pairs = find_marker_pairs(model, sorted(shown))
    assert pairs["tibia_r"] == [("R.Ankle", "R.Knee")]
    assert pairs["femur_r"] == [("R.ASIS", "R.Knee")]
    assert ("L.ASIS", "R.ASIS") in pairs["pelvis"]
    assert "patella_r" not in pairs and "talus_r" not in pairs and "toes_r" not in pairs
    # Without a knee marker the clusters have to do.
    clusters = find_marker_pairs(model, sorted(shown - {"R.Knee"}))
    names = {name for pair in clusters["femur_r"] for name in pair}
    assert names and all(name[2:4] in ("TH", "SH") for name in names)


def test_what_cannot_be_scaled_is_refused(
    opensim: Any, subject: Path, lower_limb: Path, overground: Path, tmp_path: Path,
    refused: Refused,
) -> None:  # fmt: skip
    markers, out = overground / "markers_walk.trc", tmp_path / "own.osim"
    with refused("0.0725 kg", "kilograms"):
        scale_model(subject, markers, 0.0725, out)
    with refused("180 m", "metres"):
        scale_model(subject, markers, 72.5, out, height=180)
    with refused("markers_walk.trc", "gait2392.osim", "marker set"):
        scale_model(lower_limb / "gait2392.osim", markers, 72.5, out)
    with refused("no frame between 5 and 6 s", "0-2.37 s"):
        scale_model(subject, markers, 72.5, out, start=5, end=6)
    with refused("README.txt"):
        scale_model(subject, overground / "README.txt", 72.5, out)
    tiny = tmp_path / "tiny.trc"
    tiny.write_text(markers.read_text().replace(" mm\t", " m\t", 1))
    with refused("tiny.trc", "units"):
        scale_model(subject, tiny, 72.5, out, **SOME)
    assert not out.exists()


def test_the_command_scales_and_reports_as_json(scaled: tuple[Path, dict[str, Any]]) -> None:
    folder, report = scaled
    assert report["model"] == "own.osim" and report["mass"] == 72.5
    assert report["factors"]["patella_r"] == report["factors"]["femur_r"]
    assert 0 < report["rms"] < report["worst"] < 0.05
    assert [p.name for p in folder.iterdir()] == ["own.osim"]


def test_the_command_shows_factors_and_the_markers_that_gave_them(
    opensim: Any, lower_limb: Path, tmp_path: Path
) -> None:
    generic = lower_limb / "gait2392.osim"
    static = write_synthetic_static(opensim, generic, tmp_path / "static.trc", {})
    shown = command.run(
        "scale", "--generic", generic, "--static", static, "--mass", 70, "-o", "own.osim",
        cwd=tmp_path,
    )  # fmt: skip
    assert shown.returncode == 0 and "wrote own.osim" in shown.stdout
    assert "tibia_r" in shown.stdout and " – " in shown.stdout


def test_a_c3d_with_a_prefix_and_other_names_scales_a_model_to_itself(
    opensim: Any, lower_limb: Path, tmp_path: Path
) -> None:
    generic = lower_limb / "gait2392.osim"
    markers = read_markers(write_synthetic_static(opensim, generic, tmp_path / "own.trc", {}))
    names = marker_names(markers)
    other = [f"{name[:1]}-{name[1:]}" for name in names]
    x, y, z = markers.to_numpy().reshape(len(markers), -1, 3).transpose(2, 0, 1) * 1000
    labels = [*(f"S01:{name}" for name in other[:-1]), "*7"]
    static = write_c3d(tmp_path / "static.c3d", np.stack([x, -z, y], axis=2), labels=labels)
    table = tmp_path / "names.yaml"
    table.write_text("".join(f"{a}: {b}\n" for a, b in list(zip(names, other, strict=True))[:-1]))

    command_line = (
        "scale", "--generic", generic, "--static", static, "--mass", 70, "-o", "own.osim", "--json",
    )  # fmt: skip
    refusal = command.run(*command_line, cwd=tmp_path)
    assert refusal.returncode == 2 and len(refusal.stderr.splitlines()) == 1
    assert "--marker-names, as in" in refusal.stderr
    assert any(f"{a} <- {b}" in refusal.stderr for a, b in zip(names, other, strict=True))
    done = command.run(*command_line, "--marker-names", table, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    factors = json.loads(done.stdout)["factors"]
    np.testing.assert_allclose(list(factors.values()), 1.0, atol=2e-3)
