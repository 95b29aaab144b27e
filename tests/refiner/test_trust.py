"""What strangers send: each file here tries to run or write something, and nothing comes of it.

Where a file could do harm, the test first lets it: opened by the framework alone it leaves its
mark, so that the mark's absence afterwards means something.
"""

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import onnx
import pytest
import tensorflow as tf

import nem2e_tf
from export.windows import synthetic_activity
from nem2e_tf import edge
from nem2e_tf.edge import MANIFEST, Manifest, sha256, shipped_refiners
from nem2e_tf.files.documents import MAX_DEPTH, read_yaml
from nem2e_tf.network.stdr_net import stdr_net
from nem2e_tf.refiner import CARD
from nem2e_tf.refiner.trust import CLASSES, check_keras, check_saved_model
from nem2e_tf.signals import MuscleMap
from nem2e_tf.simulation import inverse_kinematics, load_leg
from nem2e_tf.simulation.dynamics import read_loads
from nem2e_tf.simulation.model import read_model
from training.evaluation import comparison_networks

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a shipped refiner, for a stranger to change."""
    return Path(shutil.copytree(shipped_refiners()["walking"], tmp_path / "theirs"))


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that is there only if something ran."""
    return tmp_path / "ran"


def repack(path: Path, **members: bytes | None) -> None:
    """Change a .keras file's members, by their names with `_` for a dot or slash."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, members.get(name.replace(".", "_"), data) or b"")


def with_layer(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the configuration of a .keras file's network."""
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    change(config)
    repack(path, config_json=json.dumps(config).encode())


def relist(folder: Path, form: str, *files: Path) -> None:
    """List files as a form's in the manifest, with the hashes that they have."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["forms"][form]["files"] = {
        file.relative_to(folder).as_posix(): {
            "bytes": file.stat().st_size, "sha256": sha256(file)
        }
        for file in files
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest))


# Keras


def test_code_in_a_lambda_layer_does_not_run(folder: Path, mark: Path, refused: Refused) -> None:
    path = folder / "refiner.keras"
    write = eval(f"lambda x: (__import__('pathlib').Path({str(mark)!r}).touch(), x)[1]")
    inputs = keras.Input((None, 9))
    keras.Model(inputs, keras.layers.Lambda(write)(inputs)).save(path)
    mark.unlink()
    keras.models.load_model(path, safe_mode=False)(np.zeros((1, 2, 9)))
    assert mark.exists()
    mark.unlink()
    with refused(path, "'keras.layers.Lambda'", "might run code"):
        nem2e_tf.load(folder)
    assert not mark.exists()


@pytest.mark.parametrize(
    "described",
    [
        {"module": "os", "class_name": "system", "config": "COMMAND", "registered_name": None},
        {"module": "builtins", "class_name": "function", "config": "eval",
         "registered_name": "function"},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3},
         "registered_name": "theirs>Dense"},
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp"},
         "registered_name": None},
        {"module": "keras.utils", "class_name": "get_file", "config": {"origin": "file:///etc"},
         "registered_name": None},
        {"module": ["os"], "class_name": {}, "config": {}},
    ],
)  # fmt: skip
def test_a_network_that_asks_for_anything_but_known_layers_is_refused(
    folder: Path, mark: Path, refused: Refused, described: dict[str, Any]
) -> None:
    described = json.loads(json.dumps(described).replace("COMMAND", f"touch {mark}"))

    def change(config: dict[str, Any]) -> None:
        (layer,) = (x for x in config["config"]["layers"] if x["config"]["name"] == "decoder")
        layer["config"]["theirs"] = described

    with_layer(folder / "refiner.keras", change)
    with refused(folder / "refiner.keras", "no layer of a refiner", "not loaded"):
        nem2e_tf.load(folder)
    assert not mark.exists()


def test_every_network_of_the_repository_may_be_loaded(tmp_path: Path) -> None:
    made = [
        stdr_net(9, 5), stdr_net(9, 9, reach=2, ahead=1),
        *(build(9, 9) for build in comparison_networks.COMPARISON_NETWORKS.values()),
    ]  # fmt: skip
    for number, network in enumerate(made):
        network.compile("adam", "mse")
        network.save(tmp_path / f"{number}.keras")
        check_keras(tmp_path / f"{number}.keras")
    assert "Lambda" not in CLASSES["keras.layers"]


@pytest.mark.parametrize("member", ["../evil.py", "/tmp/evil.py", "assets/lookup/vocabulary.txt"])
def test_a_network_with_another_file_in_it_is_refused(
    folder: Path, refused: Refused, member: str
) -> None:
    path = folder / "refiner.keras"
    before = sorted(folder.parent.rglob("*"))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "print('ran')")
    with refused(path, repr(member), "and nothing else"):
        nem2e_tf.load(folder)
    assert sorted(folder.parent.rglob("*")) == before


def test_a_network_that_unpacks_beyond_all_measure_is_refused(
    folder: Path, refused: Refused
) -> None:
    path = folder / "refiner.keras"
    repack(path, config_json=b" " * 50_000_000)
    assert path.stat().st_size < 500_000
    with refused(path, "config.json unpacks to 50000000 bytes"):
        nem2e_tf.load(folder)


def test_a_layer_that_no_memory_holds_is_refused(folder: Path, refused: Refused) -> None:
    def change(config: dict[str, Any]) -> None:
        (layer,) = (x for x in config["config"]["layers"] if x["config"]["name"] == "decoder")
        layer["config"]["units"] = 10**12

    with_layer(folder / "refiner.keras", change)
    with refused("'units' of 1000000000000", "4096 is the most"):
        nem2e_tf.load(folder)


def test_weights_that_lie_in_another_file_are_not_read(
    folder: Path, tmp_path: Path, refused: Refused
) -> None:
    path, weights, secret = (
        folder / "refiner.keras", tmp_path / "w.h5", tmp_path / "secret"
    )  # fmt: skip
    with zipfile.ZipFile(path) as archive:
        weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "r+") as file:
        found: list[str] = []
        file.visititems(
            lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None
        )
        shape = file[found[0]].shape
        secret.write_bytes(np.ones(shape, np.float32).tobytes())
        del file[found[0]]
        file.create_dataset(found[0], shape, "f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
    with h5py.File(weights) as file:
        assert (file[found[0]][...] == 1).all()
    repack(path, model_weights_h5=weights.read_bytes())
    with refused(path, "Keras cannot load this network", "external"):
        nem2e_tf.load(folder)


# SavedModel


class Writes(tf.Module):
    """A network that writes a file, as it runs or as it is loaded."""

    def __init__(self, mark: Path, loading: bool = False) -> None:
        super().__init__()
        self._mark = str(mark)
        if loading:
            table = str(mark.with_suffix(".txt"))
            Path(table).write_text("a\n")
            text = tf.lookup.TextFileInitializer(
                table, tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )  # fmt: skip
            self.table = tf.lookup.StaticHashTable(text, -1)

    @tf.function(input_signature=[tf.TensorSpec((None, None, 9), tf.float32, "simulated")])
    def serve(self, simulated: tf.Tensor) -> dict[str, tf.Tensor]:
        if hasattr(self, "table"):
            self.table.lookup(tf.constant(["a"]))
        else:
            tf.io.write_file(self._mark, "ran")
        return {"activity": simulated}


def save_theirs(module: tf.Module, folder: Path) -> None:
    """As their refiner's SavedModel, rightly listed."""
    root = folder / "savedmodel"
    shutil.rmtree(root)
    tf.saved_model.save(module, str(root), signatures={"serving_default": module.serve})
    relist(folder, "savedmodel", *(file for file in root.rglob("*") if file.is_file()))


def test_a_saved_model_that_writes_files_does_not_run(
    folder: Path, mark: Path, refused: Refused
) -> None:
    save_theirs(Writes(mark), folder)
    alone = tf.saved_model.load(folder / "savedmodel").signatures["serving_default"]
    alone(simulated=tf.zeros((1, 2, 9)))
    assert mark.exists()
    mark.unlink()
    with refused(folder / "savedmodel", "'WriteFile'", "not loaded"):
        nem2e_tf.load(folder, runtime="savedmodel")
    assert not mark.exists()


def test_a_saved_model_that_opens_files_as_it_is_loaded_is_refused(
    folder: Path, mark: Path, refused: Refused
) -> None:
    save_theirs(Writes(mark, loading=True), folder)
    with refused(folder / "savedmodel", "an object of the kind"):
        nem2e_tf.load(folder, runtime="savedmodel")


def test_a_saved_model_with_a_file_that_is_not_listed_is_refused(
    folder: Path, refused: Refused
) -> None:
    # TensorFlow prefers a saved_model.cpb, which was never looked at, to the .pb.
    (folder / "savedmodel" / "saved_model.cpb").write_bytes(b"theirs")
    with refused("saved_model.cpb", "not in the manifest"):
        nem2e_tf.load(folder, runtime="savedmodel")


def test_a_saved_model_that_saves_where_it_should_refine_is_refused(
    folder: Path, mark: Path, refused: Refused
) -> None:
    class Saves(Writes):
        @tf.function(input_signature=[tf.TensorSpec((None, None, 9), tf.float32, "simulated")])
        def serve(self, simulated: tf.Tensor) -> dict[str, tf.Tensor]:
            tf.raw_ops.SaveV2(
                prefix=self._mark, tensor_names=["a"], shape_and_slices=[""], tensors=[simulated]
            )
            return {"activity": simulated}

    save_theirs(Saves(mark), folder)
    with refused("'SaveV2'"):
        nem2e_tf.load(folder, runtime="savedmodel")
    assert not list(mark.parent.glob("ran*"))


def test_what_is_no_saved_model_is_refused(folder: Path, refused: Refused) -> None:
    path = folder / "savedmodel" / "saved_model.pb"
    rest = [f for f in path.parent.rglob("*") if f.is_file()]
    for content in (b"", b"theirs" * 99, path.read_bytes()[:5000]):
        path.write_bytes(content)
        relist(folder, "savedmodel", *rest)
        with refused(path, "not a SavedModel"):
            nem2e_tf.load(folder, runtime="savedmodel")


@pytest.mark.parametrize("name", ["walking", "running", "gait", "stream"])
def test_shipped_saved_models_may_be_loaded(name: str) -> None:
    check_saved_model(Manifest.read(shipped_refiners()[name]))


# ONNX and TensorFlow Lite


def test_an_onnx_file_takes_no_data_from_other_files(
    folder: Path, tmp_path: Path, refused: Refused
) -> None:
    (tmp_path / "secret").write_bytes(np.ones(9, np.float32).tobytes())
    weights = onnx.TensorProto(name="w", data_type=1, dims=[9], data_location=1)
    weights.external_data.add(key="location", value="../secret")
    shape = ["batch", "time", 9]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["simulated", "w"], ["activity"])], "theirs",
        [onnx.helper.make_tensor_value_info("simulated", 1, shape)],
        [onnx.helper.make_tensor_value_info("activity", 1, shape)], [weights],
    )  # fmt: skip
    path = folder / "refiner.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    relist(folder, "onnx", path)
    with refused(path, "onnxruntime cannot load this network"):
        nem2e_tf.load(folder, runtime="onnx")


def test_an_onnx_file_that_is_none_is_refused(folder: Path, refused: Refused) -> None:
    path = folder / "refiner.onnx"
    path.write_bytes(b"theirs")
    relist(folder, "onnx", path)
    with refused(path, "onnxruntime cannot load this network"):
        nem2e_tf.load(folder, runtime="onnx")


def test_a_lite_file_that_asks_for_tensorflow_is_refused(
    folder: Path, mark: Path, refused: Refused
) -> None:
    @tf.function(input_signature=[tf.TensorSpec((1, 32), tf.float32)])
    def start(encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        tf.raw_ops.WriteFile(filename=str(mark), contents="ran")
        return {"hidden": encoded}

    module = tf.Module()
    module.start = start
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [start.get_concrete_function()], module
    )
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
    ]  # fmt: skip
    path = folder / "tflite" / "float32" / "start.tflite"
    path.write_bytes(converter.convert())
    assert b"FlexWriteFile" in path.read_bytes()
    relist(folder, "tflite/float32", *path.parent.iterdir())
    with refused(path, "LiteRT refuses this file"):
        edge.load(folder)
    assert not mark.exists()


# Cards


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rate": 1e300}, ["rate"]),
        ({"window": 1e9}, ["window"]),
        ({"window": 10**4000}, ["window"]),
        ({"output_maximum": {"../../x": 1.0}}, ["output_maximum"]),
        ({"muscles": [["../x"]]}, ["muscles"]),
        ({"inputs": "../../etc"}, ["inputs"]),
        ({"__class__": "os.system"}, ["__class__"]),
    ],
)
def test_a_card_of_wrong_types_and_sizes_is_refused(
    folder: Path, refused: Refused, change: Mapping[str, Any], words: list[str]
) -> None:
    card = json.loads((folder / CARD).read_bytes()) | change
    text = json.dumps({k: v for k, v in card.items() if v != 10**4000})
    if 10**4000 in change.values():
        text = text[:-1] + ', "window": 1' + "0" * 4000 + "}"
    (folder / CARD).write_text(text)
    with refused(folder / CARD, *words):
        nem2e_tf.load(folder)


def test_names_on_a_card_lead_nowhere(folder: Path, tmp_path: Path) -> None:
    card = json.loads((folder / CARD).read_bytes())
    card |= {"name": "../../evil\nendheader", "unit": "/etc/passwd", "summary": "../x"}
    (folder / CARD).write_text(json.dumps(card))
    refiner, before = nem2e_tf.load(folder), sorted(tmp_path.rglob("*"))
    refiner.network(synthetic_activity(1, 20, 9))
    assert sorted(tmp_path.rglob("*")) == before


# OpenSim


MODEL = '<OpenSimDocument Version="40000"><Model name="theirs">{}</Model></OpenSimDocument>'


def test_elements_within_each_other_do_not_end_the_process(
    tmp_path: Path, refused: Refused
) -> None:
    # OpenSim alone crashes: it reads an element within an element by calling itself.
    path = tmp_path / "deep.osim"
    path.write_text(MODEL.format("<a>" * 200_000 + "</a>" * 200_000))
    with refused(path, f"more than {MAX_DEPTH} elements within each other"):
        read_model(path)


@pytest.mark.parametrize(
    "declared",
    [
        "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10 if i else "ha"}">' for i in range(12)),
        '<!ENTITY a11 SYSTEM "file:///etc/passwd">',
    ],
)
def test_entities_are_refused_before_anything_reads_them(
    tmp_path: Path, refused: Refused, declared: str, lower_limb: Path
) -> None:
    bomb = f"<!DOCTYPE x [{declared}]>" + MODEL.format("&a11;")
    for name in ("model.osim", "loads.xml", "tasks.xml"):
        (tmp_path / name).write_text(bomb)
    with refused("model.osim", "<!DOCTYPE"):
        read_model(tmp_path / "model.osim")
    with refused("loads.xml", "<!DOCTYPE"):
        read_loads(tmp_path / "loads.xml", None)


def test_a_model_that_names_a_plug_in_does_not_load_it(tmp_path: Path, refused: Refused) -> None:
    import _ctypes

    # A real library that is not loaded yet: where it was loaded, the process maps it.
    library = Path(shutil.copy(_ctypes.__file__, tmp_path / "plugin.so"))
    path = tmp_path / "plugin.osim"
    force = f"<ForceSet><objects><Theirs><library>{library}</library></Theirs></objects></ForceSet>"
    path.write_text(MODEL.format(force))
    with refused(path, "Theirs"):
        read_model(path)
    path.write_text(MODEL.format(f"<plugin>{library}</plugin><library>{library}</library>"))
    with refused(path):
        load_leg(path, "r")
    assert str(library) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("named", ["../outside.vtp", "/{}/outside.vtp", "a/../../outside.vtp"])
def test_a_model_whose_geometry_lies_outside_its_folder_is_refused(
    tmp_path: Path, refused: Refused, named: str
) -> None:
    (tmp_path / "outside.vtp").write_text("theirs")
    (tmp_path / "model").mkdir()
    path = tmp_path / "model" / "their.osim"
    mesh = f"<mesh_file> {named.format(tmp_path)} </mesh_file>"
    path.write_text(MODEL.format(mesh))
    with refused(path, "<mesh_file>", "outside its folder", "'outside.vtp'"):
        read_model(path)


def test_another_document_than_a_model_is_refused(tmp_path: Path, refused: Refused) -> None:
    # OpenSim takes it for a model without a body.
    path = tmp_path / "tool.osim"
    path.write_text(MODEL.replace("Model", "ScaleTool"))
    with refused(path, "holds <ScaleTool>, not <Model>"):
        read_model(path)


def test_tasks_of_another_kind_are_refused(
    tmp_path: Path, refused: Refused, overground: Path
) -> None:
    from nem2e_tf.files import read_markers

    path = tmp_path / "tasks.xml"
    path.write_text(MODEL)
    markers = read_markers(overground / "markers_walk.trc")
    with refused(path, "not <IKTaskSet>"):
        inverse_kinematics(overground / "subject_walk_scaled.osim", markers, tasks=path)


# YAML


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("soleus: !!python/object/apply:os.system ['touch {mark}']", ["not YAML", "python/object"]),
        ("a: &a [x]\nb: *a", ["not YAML", "alias"]),
        ("a: " + "[" * 5000, ["not YAML"]),
        ("a: 2026-99-99", ["not YAML"]),
        ("a: 0x" + "f" * 5000, ["not YAML", "64 bits"]),
        ("a: x\n" * 300_000, ["larger than"]),
    ],
)
def test_a_yaml_file_holds_plain_values_alone(
    tmp_path: Path, mark: Path, refused: Refused, text: str, words: list[str]
) -> None:
    path = tmp_path / "theirs.yaml"
    path.write_text(text.format(mark=mark))
    with refused(path, *words):
        MuscleMap.load(path)
    with refused(path, *words):
        read_yaml(path, "a muscle map")
    assert not mark.exists()
