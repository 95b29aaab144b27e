"""Every form of a refiner beside Keras: as the commands write them, and as others load them."""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest

import nem2e_tf
from export import onnx as onnx_export
from export import savedmodel, tflite
from export.forms import EXACT, ROOT_MEAN_SQUARE, WORST, Form, export
from export.windows import Windows, synthetic_activity
from nem2e_tf.edge import MANIFEST, Manifest, shipped_refiners
from nem2e_tf.edge.steps import GRAPHS
from nem2e_tf.files import write_storage
from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.refiner import CARD, Card, Refiner, load
from nem2e_tf.refiner.runtimes import RUNTIMES, WEIGHTS, KerasNetwork
from tests import command
from tests.command import start_module as module
from tests.export.export_worker import form as copied
from tests.repository import ROOT

RECIPES = ("float32", "float16", "dynamic", "int8", "int8-web")
FORMS = {"savedmodel", "onnx", *(f"tflite/{recipe}" for recipe in RECIPES)}

Refused = Callable[..., AbstractContextManager[None]]


def refused_in_one_line(done: subprocess.CompletedProcess[str], *words: object) -> None:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert str(word) in done.stderr


def content(folder: Path) -> dict[str, str]:
    """Every file of a folder, and a digest of what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def windows(count: int = 6, frames: int = 20) -> Windows:
    """Nobody's, and quick."""
    simulated = synthetic_activity(count, frames, 9)
    return Windows(simulated, simulated, np.full(count, True))


def rough(count: int, frames: int) -> np.ndarray:
    return np.random.default_rng(4).random((count, frames, 9), dtype=np.float32)


def recording(frames: int = 501) -> pd.DataFrame:
    """Synthetic simulated activity: smooth bursts, named as gait2392 names muscles."""
    names = ["soleus", "med_gas", "lat_gas", "tib_ant", "semimem", "bifemlh", "vas_lat",
             "rect_fem", "vas_med"]  # fmt: skip
    time = np.arange(frames) / 100
    phase = 2 * np.pi * (time[:, None] + np.linspace(0, 0.9, 9))
    values = 0.01 + 0.6 * np.clip(np.sin(phase), 0, None) ** 2
    index = pd.Index(time, name="time")
    return pd.DataFrame(values, index=index, columns=[f"{name}_r" for name in names])


@pytest.fixture(scope="module")
def told(exported: Path) -> dict[str, Any]:
    """What the command printed."""
    found: dict[str, Any] = json.loads(exported.with_name("told.json").read_text())
    return found


@pytest.fixture(scope="module")
def keras_network(exported: Path) -> KerasNetwork:
    network = load(exported).network
    assert isinstance(network, KerasNetwork)
    return network


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    """A copy of an exported refiner, to be spoilt."""
    return Path(shutil.copytree(exported, tmp_path / "mine"))


# What the commands write


def test_the_command_writes_every_form_beside_a_manifest_that_names_them(
    exported: Path, told: dict[str, Any]
) -> None:
    manifest = json.loads((exported / MANIFEST).read_bytes())
    assert set(manifest["forms"]) == FORMS
    assert told["refiner"] == str(exported)
    assert {form["form"] for form in told["forms"]} == FORMS
    assert all(form["within"] for form in told["forms"])
    digests = content(exported)
    listed = {name: of for form in manifest["forms"].values() for name, of in form["files"].items()}
    assert set(listed) | {CARD, WEIGHTS, MANIFEST} == set(digests)
    for name, of in listed.items():
        assert of["sha256"] == digests[name]
        assert of["bytes"] == (exported / name).stat().st_size
    for form in manifest["forms"].values():
        assert form["versions"] == {n: importlib.metadata.version(n) for n in form["versions"]}
        assert {"tensorflow", "keras", "nem2e-tf"} <= set(form["versions"])
        assert "100 of virtual people (synthetic)" in form["parity"]["windows"]


def test_the_manifest_says_what_the_tensors_are(exported: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    forms = json.loads((exported / MANIFEST).read_bytes())["forms"]
    for recipe in RECIPES:
        files = forms[f"tflite/{recipe}"]["files"]
        assert [Path(name).stem for name in files] == sorted(GRAPHS)
        for name, of in files.items():
            interpreter = Interpreter(model_path=str(exported / name))
            for side, details in (
                ("inputs", interpreter.get_input_details()),
                ("outputs", interpreter.get_output_details()),
            ):
                assert len(of[side]) == len(details)
                for tensor, found in zip(of[side].values(), details, strict=True):
                    assert tensor["shape"] == found["shape"].tolist()
                    assert tensor["type"] == np.dtype(found["dtype"]).name
                    assert (tensor["scale"], tensor["zero_point"]) == found["quantization"]
                    whole = recipe == "int8"
                    assert tensor["type"] == ("int16" if whole else "float32")
                    assert (tensor["scale"] > 0) == whole
    step = forms["tflite/float32"]["files"]["tflite/float32/decode_step.tflite"]
    # Five steps are seen of two directions of five units; nine outputs in each of three frames.
    assert step["inputs"]["encoded"]["shape"] == [5, 10]
    assert step["outputs"]["activity"]["shape"] == [1, 27]


def test_parity_is_what_the_forms_have(exported: Path, keras_network: KerasNetwork) -> None:
    forms = Manifest.read(exported).forms
    simulated = rough(6, 20)
    expected = keras_network(simulated)
    assert expected.std(axis=1).mean() > 0.02
    for name, form in forms.items():
        parity, exact = form["parity"], form["recipe"] == "float32"
        assert 0.0 <= parity["rms"] <= parity["worst"]
        assert parity["worst"] <= (EXACT if exact else WORST)
        assert parity["rms"] <= ROOT_MEAN_SQUARE
        if name.startswith("tflite/"):
            found = tflite._open(name, Manifest.read(exported))(simulated)
            worst = np.abs(found - expected).max()
            assert worst <= (EXACT if exact else 2 * WORST)


def test_lite_files_hold_built_in_operations_without_loops_and_states(exported: Path) -> None:
    from ai_edge_litert import schema_py_generated as schema

    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
    files = list(exported.rglob("*.tflite"))
    assert len(files) == 5 * 4
    for path in files:
        file = schema.Model.GetRootAs(path.read_bytes())
        assert file.SubgraphsLength() == 1
        codes = [file.OperatorCodes(i) for i in range(file.OperatorCodesLength())]
        operations = {
            names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())] for code in codes
        }
        assert "FULLY_CONNECTED" in operations
        assert not operations & {
            "CUSTOM", "DELEGATE", "WHILE", "IF", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE",
        }  # fmt: skip
        assert all(code.CustomCode() is None for code in codes)


def test_integers_are_computed_with_and_weights_have_8_bits(exported: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for path in (exported / "tflite" / "int8").iterdir():
        interpreter = Interpreter(model_path=str(path), experimental_preserve_all_tensors=True)
        types = {np.dtype(t["dtype"]).name for t in interpreter.get_tensor_details()}
        assert "int8" in types and "int16" in types
        assert "float32" not in types


def test_no_path_of_this_machine_is_in_any_file(exported: Path) -> None:
    here = {str(ROOT.parent), sys.prefix, str(Path.home()), tempfile.gettempdir()}
    for folder in (exported, *shipped_refiners().values()):
        for path in folder.rglob("*"):
            if not path.is_file():
                continue
            parts = [path.read_bytes()]
            if path.suffix == ".keras":
                with zipfile.ZipFile(path) as archive:
                    parts += [archive.read(name) for name in archive.namelist()]
            for place in here:
                assert not any(f"{place}/".encode() in part for part in parts), (path, place)


@pytest.mark.parametrize(
    ("name", "recipe", "known"),
    [
        ("export.tflite", "int9", "the nearest is 'int8'"),
        pytest.param("export.savedmodel", "int8", "there is 'float32'", marks=pytest.mark.slow),
        pytest.param("export.onnx", "int8", "there is 'float32'", marks=pytest.mark.slow),
    ],
)
def test_an_unknown_recipe_ends_in_one_line(
    exported: Path, name: str, recipe: str, known: str
) -> None:
    before = content(exported)
    done = module(name, exported, "--recipe", recipe)
    refused_in_one_line(done, f"no recipe '{recipe}'", known)
    assert content(exported) == before


def test_a_folder_that_is_no_refiner_ends_in_one_line(tmp_path: Path) -> None:
    refused_in_one_line(module("export.all", tmp_path, "--json"), tmp_path, "card.json")
    assert list(tmp_path.iterdir()) == []
    done = command.run("export", tmp_path / "none")
    refused_in_one_line(done, "no such refiner or folder")


def test_a_folder_that_cannot_be_written_to_ends_in_one_line(folder: Path) -> None:
    before, first = content(folder), ()
    if os.getuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write anywhere, and there is no setpriv")
        first = ("setpriv", "--bounding-set=-dac_override")  # type: ignore[assignment]
    folder.chmod(0o555)
    done = module("export.onnx", folder, first=first)
    folder.chmod(0o755)
    refused_in_one_line(done, folder, "cannot be written to")
    assert content(folder) == before


@pytest.mark.slow
def test_one_recipe_is_written_alone_and_told(small: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in (CARD, WEIGHTS):
        shutil.copy(small / name, folder)
    done = module("export.tflite", folder, "--recipe", "float32")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (line,) = done.stdout.splitlines()
    size = sum(path.stat().st_size for path in folder.rglob("*.tflite"))
    for part in (f"wrote {folder}: tflite/float32", f"{size:,} bytes", "100 of virtual people"):
        assert part in line
    assert sorted(p.name for p in folder.iterdir()) == [CARD, MANIFEST, WEIGHTS, "tflite"]
    assert [p.name for p in (folder / "tflite").iterdir()] == ["float32"]


# Exporting again


def all_forms(refiner: Refiner) -> list[Form]:
    """Those that are quick to make."""
    return [
        *savedmodel.forms(refiner),
        *onnx_export.forms(refiner),
        *tflite.forms(refiner, ["float32"]),
    ]


def test_exporting_again_replaces_what_was_there_and_nothing_else(folder: Path) -> None:
    before = content(folder)
    refiner = load(folder)
    refiner.model.set_weights([0.5 * weight for weight in refiner.model.get_weights()])
    refiner.model.save(folder / WEIGHTS)
    # What a kill left of an earlier export goes too.
    (folder / ".unfinished-left").mkdir()
    (folder / ".unfinished-left" / "refiner.onnx").write_bytes(b"half")
    done = export(refiner, all_forms(refiner), windows())
    assert [form["form"] for form in done] == ["savedmodel", "onnx", "tflite/float32"]
    after = content(folder)
    assert set(after) == set(before)
    same = {name for name in after if after[name] == before[name]}
    others = {f"tflite/{recipe}" for recipe in RECIPES if recipe != "float32"}
    assert {str(Path(name).parent) for name in same} >= others
    assert not any(name.startswith(("savedmodel/v", "tflite/float32/d")) for name in same)
    assert "refiner.onnx" not in same
    for runtime in ("savedmodel", "onnx", "tflite"):
        found = load(folder, runtime).network(rough(2, 20))
        np.testing.assert_allclose(found, refiner.network(rough(2, 20)), rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    "form",
    [
        "savedmodel",
        pytest.param("onnx", marks=pytest.mark.slow),
        "tflite/float32",
        "tflite/int8-web",
    ],
)
def test_a_network_that_gives_no_numbers_is_not_written(
    folder: Path, form: str, refused: Refused
) -> None:
    before = content(folder)
    refiner = load(folder)
    rows = {
        graph: [
            {name: np.zeros(x.shape, np.float32) for name, x in function_inputs(refiner, graph)}
        ]
        for graph in GRAPHS
    }
    refiner.model.set_weights([np.nan * weight for weight in refiner.model.get_weights()])
    rooms: dict[str, Callable[[], list[Form]]] = {
        "savedmodel": lambda: savedmodel.forms(refiner),
        "onnx": lambda: onnx_export.forms(refiner),
        "tflite/float32": lambda: tflite.forms(refiner, ["float32"]),
        "tflite/int8-web": lambda: [integers(refiner, rows)],
    }
    with refused(f"{form} not written", "nan"):
        export(refiner, rooms[form](), windows())
    assert content(folder) == before


def function_inputs(refiner: Refiner, graph: str) -> list[tuple[str, Any]]:
    from nem2e_tf.network.step_graphs import step_functions

    signature = step_functions(refiner.model)[graph].input_signature
    return [(tensor.name, tensor) for tensor in signature]


def integers(refiner: Refiner, rows: tflite.Rows) -> Form:
    """A form that need not be exact."""
    (form,) = tflite.forms(refiner, ["float32"])

    def write(folder: Path) -> None:
        form.write(folder)
        (folder / "tflite" / "float32").rename(folder / "tflite" / "int8-web")

    return replace(
        form,
        name="tflite/int8-web",
        exact=False,
        write=write,
        open=lambda manifest: tflite._open("tflite/int8-web", manifest),
    )


def test_an_exact_form_with_other_numbers_is_not_written(folder: Path, refused: Refused) -> None:
    before = content(folder)
    refiner = load(folder)
    (form,) = onnx_export.forms(refiner)

    def write(place: Path) -> None:
        shutil.copy(shipped_refiners()["walking"] / "refiner.onnx", place)

    with refused("onnx not written", "differs from Keras by"):
        export(refiner, [replace(form, write=write)], windows())
    assert content(folder) == before


def test_a_form_that_gives_other_lengths_is_not_written(folder: Path, refused: Refused) -> None:
    before = content(folder)
    refiner = load(folder)
    (form,) = onnx_export.forms(refiner)

    def opened(manifest: Manifest) -> Any:
        network = form.open(manifest)
        # As if a last step that frames do not fill were dropped.
        return lambda simulated: network(simulated)[:, : simulated.shape[1] // 5 * 5]

    def write(place: Path) -> None:
        shutil.copy(folder / "refiner.onnx", place)

    with refused("onnx not written", "inf"):
        export(refiner, [replace(form, open=opened, write=write)], windows(frames=20))
    assert content(folder) == before


def test_attention_without_bounds_has_no_lite_form(small: Path, refused: Refused) -> None:
    refiner = Refiner(load(small).card, stdr_net(9, 9, reach=None), small)
    with refused("attention to a whole window", "reach"):
        tflite.forms(refiner, ["float32"])
    assert savedmodel.forms(refiner) and onnx_export.forms(refiner)


def test_a_kill_leaves_a_refiner_that_works_or_asks_for_an_export(
    exported: Path, folder: Path
) -> None:
    done = module("tests.export.export_worker", exported, folder, 15)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == {"works", "asks", "half done"}, found
    assert found["works"] + found["asks"] == 30
    assert found["half done"] > 0
    refiner = load(folder)
    export(refiner, tflite.forms(refiner, ["float32"]), windows())
    assert not list(folder.glob(".*"))
    found = load(folder, "tflite").network(rough(2, 20))
    np.testing.assert_allclose(found, refiner.network(rough(2, 20)), rtol=0, atol=EXACT)


def test_two_exports_into_one_folder_take_turns(exported: Path, folder: Path) -> None:
    before = content(folder)

    def again(_: int) -> None:
        refiner = Refiner(Card.read(folder / CARD), load(exported, "tflite").network, folder)
        export(refiner, [copied("tflite/float32", exported)], windows())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(again, range(12)))
    after = content(folder)
    assert set(after) == set(before)
    changed = {name for name in after if after[name] != before[name]}
    assert changed <= {MANIFEST}  # it tells what parity was measured on
    assert Manifest.read(folder).files("tflite/float32")


# ONNX


def test_the_onnx_passes_the_checker_and_names_what_it_takes(exported: Path) -> None:
    for path in (
        exported / "refiner.onnx",
        *(f / "refiner.onnx" for f in shipped_refiners().values()),
    ):
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        session = onnxruntime.InferenceSession(str(path))
        (taken,), (given,) = session.get_inputs(), session.get_outputs()
        assert (taken.name, taken.type, taken.shape[2]) == ("simulated", "tensor(float)", 9)
        assert given.name == "activity"
        assert not any(isinstance(size, int) for size in taken.shape[:2])


@pytest.mark.parametrize("name", ["small", "walking", "stream"])
def test_the_onnx_runs_any_number_of_windows_of_any_length(exported: Path, name: str) -> None:
    folder = exported if name == "small" else shipped_refiners()[name]
    reference = load(folder).network
    session = onnxruntime.InferenceSession(str(folder / "refiner.onnx"))
    for count, frames in ((1, 1), (2, 2), (1, 3), (3, 4), (1, 5), (2, 7), (5, 37), (1, 501)):
        simulated = rough(count, frames)
        (found,) = session.run(None, {"simulated": simulated})
        assert found.shape == (count, frames, 9)
        np.testing.assert_allclose(found, reference(simulated), rtol=0, atol=EXACT)


# SavedModel

ALONE = """
import sys
import numpy as np
import tensorflow as tf

model = tf.saved_model.load(sys.argv[1])
serve, encode, step = (model.signatures[n] for n in ("serving_default", "encode", "decode_step"))
seen = step.structured_input_signature[1]["encoded"].shape[1]
results = {}
for count, frames in ((1, 1), (2, 7), (3, 40), (1, 101)):
    simulated = np.random.default_rng(frames).random((count, frames, 9), dtype=np.float32)
    whole = serve(simulated=tf.constant(simulated))["activity"]
    encoded = encode(simulated=tf.constant(simulated))
    hidden = encoded.pop("hidden")
    carry, activity = tf.zeros_like(hidden), tf.zeros((count, 9 * int(sys.argv[2])))
    parts = []
    for i in range(encoded["encoded"].shape[1] - seen + 1):
        window = {name: series[:, i : i + seen] for name, series in encoded.items()}
        state = step(hidden=hidden, carry=carry, activity=activity, **window)
        hidden, carry, activity = state["hidden"], state["carry"], state["activity"]
        parts.append(tf.reshape(activity, (count, -1, 9)))
    results[f"simulated {frames}"] = simulated
    results[f"whole {frames}"] = whole.numpy()
    results[f"steps {frames}"] = tf.concat(parts, 1)[:, :frames].numpy()
np.savez("results.npz", **results)
print(*(name for name in sys.modules if name.split(".")[0] == "nem2e_tf"))
"""


@pytest.mark.parametrize("name", ["small", pytest.param("stream", marks=pytest.mark.slow)])
def test_the_savedmodel_loads_without_our_code_and_its_steps_give_the_whole(
    exported: Path, tmp_path: Path, name: str
) -> None:
    folder = exported if name == "small" else shipped_refiners()[name]
    refiner = load(folder)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder / "savedmodel"),
         str(refiner.network.layout.frames)],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "\n"
    results = np.load(tmp_path / "results.npz")
    for frames in (1, 7, 40, 101):
        expected = refiner.network(results[f"simulated {frames}"])
        for way in ("whole", "steps"):
            found = results[f"{way} {frames}"]
            assert found.shape == expected.shape
            np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)


def saved_model_cli(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("saved_model_cli")), *map(str, arguments)],
        cwd=cwd, env=os.environ | {"PYTHONPATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_saved_model_cli_shows_its_signatures(exported: Path, tmp_path: Path) -> None:
    place = ("--dir", exported / "savedmodel", "--tag_set", "serve")
    shown = saved_model_cli("show", *place, cwd=tmp_path)
    for name in ("serving_default", "encode", "decode_step"):
        assert f'"{name}"' in shown
    shown = saved_model_cli("show", *place, "--signature_def", "serving_default", cwd=tmp_path)
    assert "inputs['simulated']" in shown and "shape: (-1, -1, 9)" in shown
    assert "outputs['activity']" in shown


@pytest.mark.slow
def test_saved_model_cli_runs_it(
    exported: Path, keras_network: KerasNetwork, tmp_path: Path
) -> None:
    simulated = rough(2, 20)
    np.save(tmp_path / "simulated.npy", simulated)
    saved_model_cli(
        "run", "--dir", exported / "savedmodel", "--tag_set", "serve",
        "--signature_def", "serving_default", "--inputs", "simulated=simulated.npy",
        "--outdir", ".", cwd=tmp_path,
    )  # fmt: skip
    found = np.load(tmp_path / "activity.npy")
    np.testing.assert_allclose(found, keras_network(simulated), rtol=0, atol=EXACT)


# The same refiner in every runtime


@pytest.mark.parametrize("name", ["small", *sorted(shipped_refiners())])
def test_a_recording_is_refined_alike_in_every_runtime(exported: Path, name: str) -> None:
    folder = exported if name == "small" else shipped_refiners()[name]
    simulated = recording()
    expected = nem2e_tf.load(folder).refine(simulated)
    assert expected.to_numpy().std(axis=0).mean() > 0.01
    for runtime in set(RUNTIMES) - {"keras"}:
        found = nem2e_tf.load(folder, runtime=runtime).refine(simulated)
        assert list(found.columns) == list(expected.columns) == list(simulated.columns)
        difference = (found - expected).to_numpy()
        if runtime == "tflite-int8":
            assert np.sqrt(np.mean(difference**2)) <= ROOT_MEAN_SQUARE
            assert 0.0 < np.abs(difference).max() <= WORST
        else:
            assert np.abs(difference).max() <= EXACT, runtime


@pytest.mark.parametrize(
    "runtime",
    [
        pytest.param("savedmodel", marks=pytest.mark.slow),
        pytest.param("tflite", marks=pytest.mark.slow),
        "tflite-int8",
        "onnx",
    ],
)
def test_the_command_refines_in_every_runtime(tmp_path: Path, runtime: str) -> None:
    simulated = recording(120)
    write_storage(simulated, tmp_path / "sim.sto", "synthetic")
    done = command.start(
        "refine", "sim.sto", "--refiner", "walking", "--runtime", runtime, "-o", "emg.sto",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    rows = (tmp_path / "emg.sto").read_text().split("endheader\n")[1].splitlines()[1:]
    found = np.array([[float(cell) for cell in row.split("\t")[1:]] for row in rows])
    expected = load("walking").refine(simulated).to_numpy()
    within = WORST if runtime == "tflite-int8" else 2 * EXACT
    np.testing.assert_allclose(found, expected, rtol=0, atol=within)


def test_a_refiner_that_was_not_exported_says_how_to(
    small: Path, tmp_path: Path, refused: Refused
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in (CARD, WEIGHTS):
        shutil.copy(small / name, folder)
    for runtime in set(RUNTIMES) - {"keras"}:
        with refused(folder, f"nem2e export {folder}"):
            nem2e_tf.load(folder, runtime=runtime)
    write_storage(recording(60), tmp_path / "sim.sto", "synthetic")
    refine = ("refine", "sim.sto", "--refiner", "mine", "--runtime", "onnx", "-o", "e.sto")
    done = command.run(*refine, cwd=tmp_path)
    refused_in_one_line(done, "nem2e export")
    assert not (tmp_path / "e.sto").exists()


def test_an_unknown_runtime_is_told_the_nearest(
    exported: Path, tmp_path: Path, refused: Refused
) -> None:
    with refused("'tflight'", "nearest is 'tflite'"):
        nem2e_tf.load(exported, runtime="tflight")
    refine = ("refine", "s.sto", "--refiner", "walking", "--runtime", "gpu", "-o", "e.sto")
    done = command.run(*refine, cwd=tmp_path)
    assert done.returncode == 2
    assert "'tflite-int8'" in done.stderr and "Traceback" not in done.stderr


# Refiners that are shipped


@pytest.mark.parametrize("name", sorted(shipped_refiners()))
def test_a_shipped_refiner_has_all_forms_and_is_small(name: str) -> None:
    folder = shipped_refiners()[name]
    manifest = Manifest.read(folder)
    assert set(manifest.forms) == FORMS
    listed = {path for form in FORMS for path in manifest.forms[form]["files"]}
    assert listed | {CARD, WEIGHTS, MANIFEST} == set(content(folder))
    for form in FORMS:
        assert manifest.files(form)
        parity = manifest.forms[form]["parity"]
        exact = manifest.forms[form]["recipe"] == "float32"
        assert parity["rms"] <= ROOT_MEAN_SQUARE
        assert parity["worst"] <= (EXACT if exact else WORST)
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 3e6
    integers = manifest.files("tflite/int8").values()
    assert sum(path.stat().st_size for path in integers) <= 150e3
    graphs = set(GRAPHS) - ({"backward_step"} if manifest.layout.causal else set())
    assert {path.stem for path in integers} == graphs


@pytest.mark.parametrize("name", sorted(shipped_refiners()))
def test_a_shipped_refiner_was_exported_as_it_is(name: str) -> None:
    reference = load(name).network
    simulated = rough(2, 41)
    expected = reference(simulated)
    for runtime in ("savedmodel", "onnx", "tflite"):
        found = load(name, runtime).network(simulated)
        np.testing.assert_allclose(found, expected, rtol=0, atol=EXACT)
