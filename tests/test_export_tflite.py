"""Refiners as TensorFlow Lite, run in LiteRT beside Keras."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from export.tflite import TOLERANCE, WINDOWS, LiteRT, convert, export, synthetic_activity
from nem2e_tf.muscles import combine
from nem2e_tf.refiner import load
from nem2e_tf.stdr_net import PADDING, stdr_net

pytest.importorskip("ai_edge_litert")

REPOSITORY = Path(__file__).resolve().parents[1]
FRAMES = 100

Refused = Callable[..., AbstractContextManager[None]]


def random_network(inputs: int, outputs: int, **options: int | None) -> keras.Model:
    """STDR-Net with random weights, large enough for its outputs to follow its inputs."""
    keras.utils.set_random_seed(1)
    model = stdr_net(inputs, outputs, **options)
    model.set_weights([2 * weight for weight in model.get_weights()])
    return model


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "export.tflite", *map(str, arguments)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return random_network(9, 9)


@pytest.fixture(scope="module")
def content(model: keras.Model) -> bytes:
    return convert(model, FRAMES)


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    """Rough activity, harder than what a refiner sees."""
    return np.random.default_rng(7).random((20, FRAMES, 9), dtype=np.float32)


@pytest.fixture
def walking(tmp_path: Path) -> Path:
    """A copy of the shipped refiner's folder, without what was exported into it."""
    shipped = REPOSITORY / "saved_models" / "walking"
    ignored = shutil.ignore_patterns("*.tflite")
    return Path(shutil.copytree(shipped, tmp_path / "walking", ignore=ignored))


def test_litert_agrees_with_keras_over_20_rough_and_20_smooth_windows(
    model: keras.Model, content: bytes, windows: np.ndarray
) -> None:
    lite = LiteRT(content)
    for simulated in (windows, synthetic_activity(20, FRAMES, 9)):
        expected = model.predict_on_batch(simulated)
        assert expected.std(axis=1).mean() > 0.02
        np.testing.assert_allclose(lite(simulated), expected, rtol=0, atol=TOLERANCE)


def test_litert_agrees_with_the_shipped_refiner_over_20_windows_of_a_recording(
    walk45_simulated: pd.DataFrame,
) -> None:
    refiner = load("walking")
    columns = refiner.columns(walk45_simulated.columns, "r", "walk45")
    scale = np.array([refiner.card.input_maximum[c] for c in refiner.card.inputs])
    channels = (combine(walk45_simulated, columns).to_numpy() / scale).astype(np.float32)
    simulated = np.stack([channels[s : s + FRAMES] for s in range(0, 1000, 50)])
    assert len(simulated) == 20
    difference = LiteRT(convert(refiner.model, FRAMES))(simulated)
    difference -= refiner.model.predict_on_batch(simulated)
    assert np.abs(difference).max() <= TOLERANCE


def test_padding_is_not_looked_at_in_litert_either(
    model: keras.Model, content: bytes, windows: np.ndarray
) -> None:
    padded = windows.copy()
    padded[:, 70:] = PADDING
    refined = LiteRT(content)(padded)
    np.testing.assert_allclose(
        refined[:, :70], model.predict_on_batch(windows[:, :70]), rtol=0, atol=TOLERANCE
    )


@pytest.mark.parametrize(("frames", "reach"), [(4, 10), (1, None), (3, 2), (5, None), (40, 3)])
def test_other_channels_lengths_steps_and_reaches_can_be_exported(
    frames: int, reach: int | None
) -> None:
    model = random_network(3, 5, frames=frames, reach=reach)
    simulated = synthetic_activity(3, 37, 3)
    refined = LiteRT(convert(model, 37))(simulated)
    assert refined.shape == (3, 37, 5)
    assert refined.dtype == np.float32
    np.testing.assert_allclose(refined, model.predict_on_batch(simulated), rtol=0, atol=TOLERANCE)


def test_a_window_gives_the_same_answer_whatever_ran_before_it(
    content: bytes, windows: np.ndarray
) -> None:
    lite = LiteRT(content)
    once = lite(windows)
    np.testing.assert_array_equal(lite(windows), once)
    np.testing.assert_array_equal(lite(windows[::-1])[::-1], once)
    np.testing.assert_array_equal(LiteRT(content)(windows[5:6]), once[5:6])


def test_only_built_in_operations_without_variables_are_in_the_file(content: bytes) -> None:
    from ai_edge_litert import schema_py_generated as schema

    # The interpreter lists the main graph only; the file's table also covers the loop bodies.
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    file = schema.Model.GetRootAs(content)
    codes = [file.OperatorCodes(i) for i in range(file.OperatorCodesLength())]
    operations = {names[code.BuiltinCode()] for code in codes}
    assert {"WHILE", "FULLY_CONNECTED", "SOFTMAX"} <= operations
    assert not operations & {"CUSTOM", "DELEGATE", "VAR_HANDLE", "READ_VARIABLE"}
    assert all(code.CustomCode() is None for code in codes)


def test_the_first_tensors_of_a_step_come_from_encode_or_are_zero(content: bytes) -> None:
    from ai_edge_litert.interpreter import Interpreter

    signatures = Interpreter(model_content=content).get_signature_list()
    encode, step = signatures["encode"], signatures["decode_step"]
    assert encode["inputs"] == ["simulated"]
    assert set(step["inputs"]) == {*encode["outputs"], "carry", "activity"}
    assert set(step["outputs"]) == {"hidden", "carry", "activity"}


@pytest.mark.parametrize("shape", [(1, FRAMES - 1, 9), (1, FRAMES, 8), (FRAMES, 9)])
def test_windows_of_another_shape_are_refused(content: bytes, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the file is for"):
        LiteRT(content)(np.zeros(shape, np.float32))


def test_a_file_that_differs_from_keras_is_not_left(walking: Path, refused: Refused) -> None:
    refiner = load(walking)
    # Weights this large make the feedback chaotic: rounding alone drives the runtimes apart.
    refiner.model.set_weights([10 * weight for weight in refiner.model.get_weights()])
    before = sorted(walking.iterdir())
    with refused("float32.tflite", "not written", "differs from Keras by"):
        export(refiner, walking / "float32.tflite")
    assert sorted(walking.iterdir()) == before


def test_a_network_that_gives_no_numbers_is_not_exported(walking: Path, refused: Refused) -> None:
    refiner = load(walking)
    refiner.model.set_weights([np.nan * weight for weight in refiner.model.get_weights()])
    with refused("not written", "nan"):
        export(refiner, walking / "float32.tflite")
    assert not (walking / "float32.tflite").exists()


def test_the_command_writes_a_file_that_agrees_with_the_shipped_refiner(walking: Path) -> None:
    done = command(walking, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    file = walking / "float32.tflite"
    assert result["file"] == str(file)
    assert result["size"] == file.stat().st_size
    assert result["synthetic_windows"] == WINDOWS == 20
    assert result["worst_difference"] <= result["tolerance"] == TOLERANCE
    assert sorted(p.name for p in walking.iterdir()) == [
        "card.json",
        "float32.tflite",
        "refiner.keras",
    ]
    refiner = load(walking)
    assert result["frames"] == round(refiner.card.window * refiner.card.rate)
    shape = (20, result["frames"], len(refiner.card.inputs))
    simulated = np.random.default_rng(3).random(shape, dtype=np.float32)
    np.testing.assert_allclose(
        LiteRT(file.read_bytes())(simulated),
        refiner.model.predict_on_batch(simulated),
        rtol=0,
        atol=TOLERANCE,
    )


def test_the_command_says_file_size_and_difference(walking: Path) -> None:
    done = command(walking)
    assert done.returncode == 0, done.stderr
    file = walking / "float32.tflite"
    for part in (str(file), f"{file.stat().st_size:,} bytes", "20 synthetic windows"):
        assert part in done.stdout
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_refiner_is_refused_in_one_line(tmp_path: Path) -> None:
    done = command(tmp_path, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
    assert "card.json" in done.stderr
    assert list(tmp_path.iterdir()) == []
