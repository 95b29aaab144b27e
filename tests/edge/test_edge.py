"""Refining with NumPy and LiteRT alone, beside Keras."""

import configparser
import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import nem2e_tf
from export.tflite import convert
from nem2e_tf import edge
from nem2e_tf.edge import (
    MANIFEST,
    PADDING,
    LiteRT,
    Manifest,
    StepNetwork,
    load_step_network,
    shipped_refiners,
)
from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.network.step_graphs import KerasGraphs, layout_of, step_functions
from nem2e_tf.refiner.runtimes import KerasNetwork
from tests.repository import ROOT

EXACT = 1e-5
LENGTHS = (1, 2, 7, 37, 40)
HEAVY = ("tensorflow", "keras", "opensim", "pandas", "scipy", "pydantic", "typer", "rich")

Refused = Callable[..., AbstractContextManager[None]]


def random_network(inputs: int, outputs: int, **options: int | None) -> keras.Model:
    """STDR-Net with random weights, large enough for its outputs to follow its inputs."""
    keras.utils.set_random_seed(1)
    model = stdr_net(inputs, outputs, **options)
    model.set_weights([2 * weight for weight in model.get_weights()])
    return model


def rough(windows: int, frames: int, inputs: int) -> np.ndarray:
    """Noise, harder than what a refiner sees."""
    return np.random.default_rng(7).random((windows, frames, inputs), dtype=np.float32)


def recording(frames: int = 501) -> np.ndarray:
    """Synthetic simulated activity of nine channels: bursts in 0-1, and some noise."""
    random = np.random.default_rng(3)
    phase = 2 * np.pi * (np.arange(frames)[:, None] / 100 + np.linspace(0, 0.9, 9))
    bursts = 0.7 * np.clip(np.sin(phase), 0, None) ** 2
    return np.clip(bursts + 0.05 * random.random((frames, 9)), 0, 1)


def written(model: keras.Model, folder: Path) -> dict[str, Path]:
    """The graphs of a network as float32 TensorFlow Lite."""
    files = {}
    for graph, function in step_functions(model).items():
        files[graph] = folder / f"{graph}.tflite"
        files[graph].write_bytes(convert(graph, function))
    return files


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return random_network(9, 9)


@pytest.fixture(scope="module")
def files(model: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return written(model, tmp_path_factory.mktemp("graphs"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a shipped refiner, to be spoilt."""
    return Path(shutil.copytree(shipped_refiners()["walking"], tmp_path / "mine"))


@pytest.mark.parametrize(
    "options",
    [
        {"frames": 4, "reach": 20},
        {"frames": 1, "reach": 3},
        {"frames": 3, "reach": 2},
        {"frames": 5, "reach": 0},
        {"frames": 4, "reach": 2, "ahead": 1},
        {"frames": 3, "reach": 4, "ahead": 0},
        {"frames": 2, "reach": 3, "ahead": 3},
    ],
)
def test_a_network_gone_step_by_step_equals_keras_at_every_length(
    options: dict[str, int | None],
) -> None:
    sizes = {"encoder_units": 5, "decoder_units": 7, "attention_units": 6}
    model = random_network(3, 2, **sizes, **options)
    reference, steps = KerasNetwork(model), StepNetwork(layout_of(model), KerasGraphs(model))
    for frames in LENGTHS:
        windows = rough(2, frames, 3)
        expected = reference(windows)
        found = steps(windows)
        assert found.shape == (2, frames, 2)
        np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)
    assert expected.std(axis=1).mean() > 0.02


def test_attention_without_bounds_cannot_go_step_by_step(refused: Refused) -> None:
    model = random_network(3, 2, reach=None)
    with refused("attention to a whole window", "reach"):
        StepNetwork(layout_of(model), lambda graph, **tensors: {})
    with refused("reach"):
        KerasNetwork(model).step_network()


@pytest.mark.parametrize("xnnpack", [True, False])
def test_litert_equals_keras_with_xnnpack_and_without(
    model: keras.Model, files: dict[str, Path], xnnpack: bool
) -> None:
    reference = KerasNetwork(model)
    network = StepNetwork(layout_of(model), LiteRT(files, xnnpack=xnnpack))
    for frames in (*LENGTHS, 100):
        windows = rough(2, frames, 9)
        found = network(windows)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, reference(windows), rtol=0, atol=EXACT)


@pytest.mark.parametrize("options", [{"frames": 3, "reach": 2}, {"frames": 4, "ahead": 1}])
def test_other_networks_equal_keras_in_litert(
    options: dict[str, int | None], tmp_path: Path
) -> None:
    model = random_network(3, 5, **options)
    network = StepNetwork(layout_of(model), LiteRT(written(model, tmp_path)))
    windows = rough(3, 37, 3)
    expected = KerasNetwork(model)(windows)
    np.testing.assert_allclose(network(windows), expected, rtol=0, atol=EXACT)


def test_frames_of_padding_are_not_looked_at(model: keras.Model, files: dict[str, Path]) -> None:
    network = StepNetwork(layout_of(model), LiteRT(files))
    windows = rough(2, 70, 9)
    # Keras masks steps that are all padding; the host gives a network no such step.
    padded = np.pad(windows, ((0, 0), (0, 30), (0, 0)), constant_values=PADDING)
    expected = KerasNetwork(model)(padded)[:, :70]
    np.testing.assert_allclose(network(windows), expected, rtol=0, atol=EXACT)


@pytest.mark.parametrize("runtime", ["tflite", "tflite-int8"])
def test_a_window_gives_the_same_bits_whatever_ran_before_it(runtime: str) -> None:
    windows = rough(6, 30, 9)
    network = load_step_network(shipped_refiners()["walking"], runtime)
    once = network(windows)
    np.testing.assert_array_equal(network(windows), once)
    np.testing.assert_array_equal(network(windows[::-1])[::-1], once)
    other = load_step_network(shipped_refiners()["walking"], runtime)
    np.testing.assert_array_equal(other(windows[4:5]), once[4:5])


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_windows_that_hold_no_finite_numbers_are_refused(model: keras.Model, number: float) -> None:
    network = StepNetwork(layout_of(model), KerasGraphs(model))
    windows = rough(2, 20, 9)
    windows[1, 7, 3] = number
    with pytest.raises(ValueError, match="not finite"):
        network(windows)


@pytest.mark.parametrize("shape", [(1, 20, 8), (1, 20, 10), (20, 9), (9,)])
def test_windows_of_other_channels_are_refused(model: keras.Model, shape: tuple[int, ...]) -> None:
    network = StepNetwork(layout_of(model), KerasGraphs(model))
    with pytest.raises(ValueError, match=r"wanted \(windows, frames, 9\)"):
        network(np.zeros(shape, np.float32))


def extreme(count: int) -> np.ndarray:
    """Windows of eight frames: noise, nothing, all, spikes, padding, and what nobody's muscles do.

    No two are the same but for the plain ones.
    """
    random = np.random.default_rng(11)
    windows = random.random((count, 8, 9), dtype=np.float32)
    kind = np.arange(count) % 8
    windows[kind == 1] = 0.0
    windows[kind == 2] = 1.0
    windows[kind == 3] = np.where(windows[kind == 3] > 0.97, 1.0, 0.0)
    windows[kind == 4] = np.where(windows[kind == 4] > 0.5, 1e4, 0.0)
    windows[kind == 5] *= 10 ** random.uniform(-30, 4, (int((kind == 5).sum()), 1, 1))
    windows[kind == 6, 3:] = PADDING
    windows[kind == 7] = 20 * windows[kind == 7] - 10
    return windows


@pytest.mark.parametrize("count", [1000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("runtime", ["tflite", "tflite-int8"])
def test_random_and_extreme_windows_give_envelopes(runtime: str, count: int) -> None:
    found = load_step_network(shipped_refiners()["walking"], runtime)(extreme(count))
    assert found.shape == (count, 8, 9)
    assert np.isfinite(found).all()
    assert found.min() >= 0.0 and found.max() <= 1.0
    assert found.std() > 0.05


@pytest.mark.parametrize("name", ["walking", "stream"])
def test_arrays_and_frames_are_refined_alike(name: str) -> None:
    activity = recording()
    found = edge.load(name).refine(activity)
    assert found.shape == (501, 9)
    reference = nem2e_tf.load(name)
    index = pd.Index(np.arange(501) / 100, name="time")
    frame = pd.DataFrame(activity, index=index, columns=reference.card.inputs)
    for runtime in ("tflite", "keras"):
        expected = nem2e_tf.load(name, runtime).refine(frame, "r").to_numpy()
        np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)
    assert expected.std(axis=0).mean() > 0.02


def test_integers_refine_nearly_as_keras_does() -> None:
    activity = recording()
    exact, integers = (edge.load("walking", runtime) for runtime in ("tflite", "tflite-int8"))
    difference = integers.refine(activity) - exact.refine(activity)
    assert np.sqrt(np.mean(difference**2)) <= 0.01
    assert 0.0 < np.abs(difference).max() <= 0.03


@pytest.mark.parametrize(
    ("activity", "words"),
    [
        (np.zeros((20, 8)), ["(20, 8)", "(frames, 9)", "soleus"]),
        (np.zeros(9), ["(9,)", "(frames, 9)"]),
        (np.zeros((0, 9)), ["(0, 9)"]),
        (np.full((20, 9), 1.2), ["'soleus' is 1.2 in frame 0", "0-1"]),
        (np.vstack([np.zeros((7, 9)), np.full((1, 9), np.nan)]), ["nan in frame 7"]),
    ],
)
def test_arrays_that_are_no_activity_are_refused(
    activity: np.ndarray, words: list[str], refused: Refused
) -> None:
    with refused(*words):
        edge.load("walking").refine(activity)


def test_refining_imports_nothing_heavy() -> None:
    code = (
        "import sys, numpy, nem2e_tf.edge\n"
        "nem2e_tf.edge.load('walking', 'tflite-int8').refine(numpy.full((9, 9), 0.5))\n"
        "stream = nem2e_tf.StreamingRefiner(nem2e_tf.edge.load('stream'))\n"
        "stream.push(numpy.full(9, 0.5))\n"
        f"print(*sorted(set(sys.modules) & {set(HEAVY)!r}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "\n"


def test_every_package_is_listed_for_installation() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    source = ROOT / "nem2e_tf"
    there = {".".join(file.parent.relative_to(ROOT).parts) for file in source.rglob("__init__.py")}
    for name in ("export", "training"):
        files = (ROOT / name).rglob("__init__.py")
        there |= {".".join(["nem2e_tf", *f.parent.relative_to(ROOT).parts]) for f in files}
    assert listed == there | {"nem2e_tf.saved_models"}


# A manifest is what somebody else wrote.


def change(folder: Path, **found: Any) -> None:
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_bytes()) | found))


def listing(name: str, size: Any = 1, digest: Any = "0") -> dict[str, Any]:
    return {"tflite/float32": {"files": {name: {"bytes": size, "sha256": digest}}}}


def test_a_refiner_that_was_not_exported_says_how_to(folder: Path, refused: Refused) -> None:
    (folder / MANIFEST).unlink()
    with refused(folder, f"no {MANIFEST}", f"nem2e export {folder}"):
        edge.load(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "network": {}, "forms": {}}',
        b'{"format": 1, "network": {}, "forms": []}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_manifest_is_refused(folder: Path, refused: Refused, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with refused(folder / MANIFEST, "not a manifest of exports"):
        edge.load(folder)


def test_a_manifest_of_another_format_is_refused(folder: Path, refused: Refused) -> None:
    change(folder, format=2)
    with refused(folder / MANIFEST, "format 2, known is 1"):
        edge.load(folder)


@pytest.mark.parametrize(
    ("size", "word"),
    [
        ({"frames": 0}, "frames is 0"),
        ({"frames": 4.0}, "frames is 4.0"),
        ({"frames": None}, "frames is None"),
        ({"inputs": "nine"}, "inputs is 'nine'"),
        ({"outputs": -1}, "outputs is -1"),
        ({"before": True}, "before is True"),
        ({"causal": 1}, "causal is 1"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_network_of_impossible_sizes_is_refused(
    folder: Path, refused: Refused, size: Mapping[str, Any], word: str
) -> None:
    network = json.loads((folder / MANIFEST).read_bytes())["network"]
    change(folder, network=network | size)
    with refused(folder / MANIFEST, word):
        edge.load(folder)


def test_a_network_of_other_sizes_than_the_card_is_refused(folder: Path, refused: Refused) -> None:
    network = json.loads((folder / MANIFEST).read_bytes())["network"]
    change(folder, network=network | {"inputs": 5})
    for load in (edge.load, nem2e_tf.load):
        with refused(folder, "5 inputs and 9 outputs", "the card 9 and 9"):
            load(folder, runtime="tflite")


@pytest.mark.parametrize("forms", [{}, {"tflite/int8": {"files": {}}}])
def test_a_form_that_was_not_exported_says_how_to(
    folder: Path, refused: Refused, forms: Mapping[str, Any]
) -> None:
    change(folder, forms=forms)
    with refused(folder, "no form 'tflite/float32'", f"nem2e export {folder}"):
        edge.load(folder)


@pytest.mark.parametrize(
    "files", [[], {"a": 1}, {"a": {}}, {"a": {"bytes": float("inf"), "sha256": "0"}}, None]
)
def test_a_form_without_a_list_of_files_is_refused(
    folder: Path, refused: Refused, files: object
) -> None:
    change(folder, forms={"tflite/float32": {"files": files}})
    with refused(folder / MANIFEST, "no list of files"):
        edge.load(folder)


@pytest.mark.parametrize("name", ["../card.json", "tflite/../../card.json", "/etc/hostname"])
def test_a_file_outside_the_folder_is_not_read(folder: Path, refused: Refused, name: str) -> None:
    shutil.copy(folder / "card.json", folder.parent)
    change(folder, forms=listing(name))
    with refused(folder / MANIFEST, name, "outside the refiner's folder"):
        edge.load(folder)


@pytest.mark.parametrize("place", ["file", "folder"])
def test_a_link_out_of_the_folder_is_not_followed(
    folder: Path, refused: Refused, place: str
) -> None:
    path = folder / "tflite" / "float32"
    if place == "file":
        path /= "start.tflite"
    outside = folder.parent / "elsewhere"
    path.rename(outside)
    path.symlink_to(outside)
    with refused(folder / MANIFEST, "outside the refiner's folder"):
        edge.load(folder)


@pytest.mark.parametrize("name", ["loop", "nul\0", "long" * 2000, "line\nbreak", "tflite", ""])
def test_a_name_that_is_no_file_is_refused(folder: Path, refused: Refused, name: str) -> None:
    (folder / "loop").symlink_to("loop")
    change(folder, forms=listing(name))
    with refused(folder):
        edge.load(folder)


def test_a_changed_byte_is_noticed(folder: Path, refused: Refused) -> None:
    path = folder / "tflite" / "float32" / "decode_step.tflite"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with refused(path, "not the file", f"nem2e export {folder}"):
        edge.load(folder)
    edge.load(folder, "tflite-int8")


def test_a_missing_file_is_noticed(folder: Path, refused: Refused) -> None:
    path = folder / "tflite" / "float32" / "start.tflite"
    path.unlink()
    with refused(f"{path}: missing", f"nem2e export {folder}"):
        edge.load(folder)


def test_a_form_without_one_of_its_graphs_is_refused(folder: Path, refused: Refused) -> None:
    forms = json.loads((folder / MANIFEST).read_bytes())["forms"]
    del forms["tflite/float32"]["files"]["tflite/float32/start.tflite"]
    change(folder, forms=forms)
    with refused(folder, "tflite/float32", "wanted", "start"):
        edge.load(folder)


def test_a_file_that_is_no_network_is_refused(folder: Path, refused: Refused) -> None:
    from nem2e_tf.edge import sha256

    path = folder / "tflite" / "float32" / "start.tflite"
    path.write_bytes(b"nothing" * 100)
    forms = json.loads((folder / MANIFEST).read_bytes())["forms"]
    listed = forms["tflite/float32"]["files"]["tflite/float32/start.tflite"]
    listed |= {"bytes": path.stat().st_size, "sha256": sha256(path)}
    change(folder, forms=forms)
    with refused(path, "LiteRT refuses this file"):
        edge.load(folder)


@pytest.mark.parametrize(
    ("card", "word"),
    [
        ({"rate": 0}, "positive"),
        ({"rate": float("nan")}, "positive"),
        ({"window": "long"}, "long"),
        ({"input_maximum": {"soleus": 1.0}}, "KeyError"),
        ({"output_maximum": []}, "TypeError"),
    ],
)
def test_a_wrong_card_is_refused_without_pydantic_too(
    folder: Path, refused: Refused, card: Mapping[str, Any], word: str
) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | card))
    with refused(path, word):
        edge.load(folder)


def test_an_unknown_runtime_or_refiner_is_told_the_nearest(refused: Refused) -> None:
    with refused("'tflite-int'", "nearest is 'tflite-int8'"):
        edge.load("walking", "tflite-int")
    with refused("walkin", "nearest is 'walking'"):
        edge.load("walkin")


def test_the_manifest_reads_what_it_writes(folder: Path) -> None:
    manifest = Manifest.read(folder)
    assert manifest.as_json() == json.loads((folder / MANIFEST).read_bytes())


@pytest.mark.slow
def test_a_new_environment_needs_litert_and_numpy_only(tmp_path: Path) -> None:
    source, away = tmp_path / "source", tmp_path / "away"
    away.mkdir()
    source.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("nem2e_tf", "saved_models", "export", "training"):
        ignored = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    venv.create(tmp_path / "new", with_pip=True)
    python = tmp_path / "new" / "bin" / "python"

    def run(*arguments: object) -> str:
        clean = {"PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
        done = subprocess.run(
            [str(python), *map(str, arguments)],
            cwd=away, env=clean, capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("-m", "pip", "install", "-q", "ai-edge-litert", "numpy")
    run("-m", "pip", "install", "-q", "--no-deps", source)
    np.save(away / "activity.npy", recording())
    code = (
        "import time\n"
        "begin = time.perf_counter()\n"
        "import nem2e_tf\n"
        "print(time.perf_counter() - begin)\n"
        "import numpy\n"
        "refiner = nem2e_tf.load('walking', runtime='tflite-int8')\n"
        "numpy.save('found.npy', refiner.refine(numpy.load('activity.npy')))\n"
        "print(nem2e_tf.__file__)\n"
    )
    seconds, place = run("-c", code).split()
    assert float(seconds) < 0.3
    assert Path(place).is_relative_to(tmp_path / "new")
    expected = edge.load("walking", "tflite-int8").refine(recording())
    np.testing.assert_array_equal(np.load(away / "found.npy"), expected)
    command = subprocess.run(
        [str(python.with_name("nem2e")), "demo"], capture_output=True, text=True, cwd=away
    )
    assert (command.returncode, command.stdout) == (2, "")
    assert "typer is not installed" in command.stderr and "Traceback" not in command.stderr
    installed = {line.split("==")[0].lower() for line in run("-m", "pip", "freeze").split()}
    assert not installed & set(HEAVY)
