"""Every form of a refiner beside Keras, as `python -m export.verify` compares them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.forms import EXACT, ROOT_MEAN_SQUARE, WORST, fitted_tasks
from export.micro import FORM, TFLiteMicro
from export.verify import BUILT_IN, MICRO, XNNPACK, Subject, emg_errors, open_subjects, verify
from export.windows import Windows, recorded_windows, synthetic_activity
from nem2e_tf.edge import MANIFEST, LiteRT, Manifest, StepNetwork, sha256
from nem2e_tf.refiner import load
from nem2e_tf.refiner.runtimes import FunctionNetwork
from nem2e_tf.signals import root_mean_square_error
from tests import command
from tests.command import start_module
from tests.repository import ROOT

pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install ai-edge-litert")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

SHIPPED = ROOT / "saved_models"


def with_one_form(folder: Path, form: str, table: dict[str, object]) -> None:
    """Make a manifest name one form alone."""
    manifest = replace(Manifest.read(folder), forms={form: table})
    (folder / MANIFEST).write_text(json.dumps(manifest.as_json()), encoding="utf-8")


@pytest.fixture
def walking(tmp_path: Path) -> Path:
    """A copy of the shipped refiner's folder."""
    return Path(shutil.copytree(SHIPPED / "walking", tmp_path / "walking"))


def smooth_windows(count: int) -> Windows:
    """Windows of nobody's muscles."""
    activity = synthetic_activity(count, 100, 9)
    return Windows(activity, activity[..., ::-1].astype(float), np.ones(count, bool))


@pytest.mark.parametrize("name", ["walking", "stream"])
def test_every_shipped_form_says_what_keras_says_and_keeps_no_state(name: str) -> None:
    verdicts = verify(load(name), open_subjects(Manifest.read(SHIPPED / name)), smooth_windows(5))
    recipes = ("float32", "float16", "dynamic", "int8", "int8-web")
    tested = {(verdict.form, verdict.kernels) for verdict in verdicts}
    assert {("savedmodel", None), ("onnx", None)} <= tested
    assert {(f"tflite/{r}", kernels) for r in recipes for kernels in (XNNPACK, BUILT_IN)} <= tested
    for verdict in verdicts:
        assert verdict.repeatable
        assert verdict.exact == (verdict.form in ("savedmodel", "onnx", "tflite/float32"))
        bounds = (EXACT, EXACT) if verdict.exact else (ROOT_MEAN_SQUARE, WORST)
        assert verdict.parity.rms <= bounds[0]
        assert verdict.parity.worst <= bounds[1]
        assert verdict.passed


@pytest.mark.parametrize("name", ["walking", "stream"])
def test_int8_runs_with_the_kernels_of_microcontrollers_in_256_kb(name: str) -> None:
    pytest.importorskip("tflite_micro", reason="tflite-micro is not installed")
    manifest = Manifest.read(SHIPPED / name)
    micro, lite = TFLiteMicro(manifest), LiteRT(manifest.files(FORM))
    assert micro.arenas.keys() == manifest.files(FORM).keys()
    assert min(micro.arenas.values()) > 0
    assert sum(micro.arenas.values()) <= 256 * 1024
    windows = synthetic_activity(5, 100, 9)
    found, expected = (StepNetwork(manifest.layout, graphs)(windows) for graphs in (micro, lite))
    assert expected.std(axis=1).mean() > 0.02
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.005)


def test_a_network_that_remembers_the_window_before_is_found_out() -> None:
    refiner = load("walking")
    before = np.zeros((1, 100, 9), np.float32)

    def remembers(window: np.ndarray) -> np.ndarray:
        nonlocal before
        found = refiner.network(window) + 1e-6 * before
        before = window
        return found

    network = FunctionNetwork(refiner.network.layout, remembers)
    (verdict,) = verify(refiner, [Subject("x", None, False, network)], smooth_windows(3))
    assert verdict.within
    assert not verdict.repeatable
    assert not verdict.passed
    assert "same bits" in verdict.failure


def test_a_network_that_gives_no_numbers_is_out_of_bounds() -> None:
    refiner = load("walking")
    network = FunctionNetwork(refiner.network.layout, lambda window: np.nan * window)
    for exact in (True, False):
        subject = Subject("x", None, exact, network)
        (verdict,) = verify(refiner, [subject], smooth_windows(1))
        assert not verdict.within
        assert "out of bounds" in verdict.failure


def test_errors_of_real_windows_are_in_the_measured_unit_and_of_virtual_ones_in_shares() -> None:
    signals = load("walking").signals
    outputs = np.full((2, 50, 9), 0.5)
    unit = np.stack([signals.output_maximum, np.ones(9)])[:, None]
    windows = Windows(np.zeros((2, 50, 9)), outputs * unit, np.array([False, True]))
    table = emg_errors(windows, signals, outputs, outputs + 0.1)
    for kind, scale in (("real", signals.output_maximum), ("virtual", np.ones(9))):
        assert list(table[kind]) == list(signals.outputs)
        for muscle, largest in zip(signals.outputs, scale, strict=True):
            assert table[kind][muscle]["keras"] == pytest.approx(0, abs=1e-12)
            assert table[kind][muscle]["change"] == pytest.approx(0.1 * largest)


def test_real_envelopes_are_shares_of_the_whole_recording_where_a_refiner_has_no_unit(
    data: Path,
) -> None:
    shares, unit = (
        recorded_windows(load(name).signals, ["walking"], 20) for name in ("gait", "walking")
    )
    assert shares is not None
    assert unit is not None
    np.testing.assert_array_equal(shares.simulated, unit.simulated)
    assert 0.5 < shares.measured.max() <= 1.0
    assert (shares.measured.max(axis=(0, 1)) < 1.0).any()  # somebody's largest came before
    largest = unit.measured.sum(axis=(0, 1)) / shares.measured.sum(axis=(0, 1))
    np.testing.assert_allclose(unit.measured, shares.measured * largest, rtol=1e-9)


def test_refiners_are_no_worse_against_measured_emg_in_any_form(data: Path) -> None:
    refiner = load("stream")
    windows = recorded_windows(refiner.signals, fitted_tasks(refiner), 10)
    assert windows is not None
    among = [s for s in open_subjects(Manifest.read(SHIPPED / "stream")) if s.kernels != MICRO]
    estimate = refiner.network(windows.simulated).reshape(-1, 9)
    expected = root_mean_square_error(windows.measured.reshape(-1, 9), estimate)
    assert expected.max() < 0.3
    for verdict in verify(refiner, among, windows):
        of_real = verdict.rmse["real"]
        assert "virtual" not in verdict.rmse
        np.testing.assert_allclose([of["keras"] for of in of_real.values()], expected)
        assert max(of["change"] for of in of_real.values()) < 0.005


def test_a_file_with_one_bit_turned_is_refused_by_name(walking: Path) -> None:
    file = walking / "tflite" / "float16" / "decode_step.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    done = command.run("verify", walking, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert str(file) in line
    assert "export again" in line


def test_a_file_of_another_refiner_is_out_of_bounds_and_the_exit_status_says_so(
    walking: Path,
) -> None:
    name = "tflite/int8/decode_step.tflite"
    shutil.copyfile(SHIPPED / "running" / name, walking / name)
    table = dict(Manifest.read(walking).forms[FORM])
    known = table["files"][name]
    known["bytes"], known["sha256"] = (walking / name).stat().st_size, sha256(walking / name)
    with_one_form(walking, FORM, table)
    done = command.run("verify", walking, "--json")
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert "100 of virtual people (synthetic)" in result["windows"]
    for form in result["forms"]:
        assert form["form"] == FORM
        assert form["parity"]["worst"] > result["bounds"]["worst"]
        assert form["repeatable"]
        assert not form["within"]
        assert not form["passed"]
        assert max(of["change"] for of in form["rmse"]["virtual"].values()) > 0.005
    assert "out of bounds" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_refiner_that_was_not_exported_is_refused_in_one_line(walking: Path) -> None:
    (walking / MANIFEST).unlink()
    done = command.run("verify", walking)
    assert done.returncode == 2
    assert "export first" in done.stderr.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["walking", "stream"])
def test_the_command_passes_shipped_refiners_on_200_windows(name: str, data: Path) -> None:
    done = start_module("export.verify", name, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["windows"] == "100 of real recordings, 100 of virtual people (synthetic)"
    assert all(form["passed"] for form in result["forms"])
    assert all(form["rmse"].keys() == {"real", "virtual"} for form in result["forms"])
    told = start_module("export.verify", name)
    assert told.returncode == 0
    assert told.stdout.count("good") == len(result["forms"])
