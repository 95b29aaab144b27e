"""The readers that are fuzzed, and small files of their formats. All of their data are made up."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest import mock

import nem2e_tf
from nem2e_tf.edge import Manifest, shipped_refiners
from nem2e_tf.edge.refiner import read_signals
from nem2e_tf.errors import InputError
from nem2e_tf.files import (
    c3d,
    c3d_content,
    check_document,
    read_markers,
    read_motion,
    read_trials,
)
from nem2e_tf.pipeline import shards
from nem2e_tf.refiner import CARD, Card
from nem2e_tf.refiner.stream import stream_lines
from nem2e_tf.refiner.trust import MEMBERS, check_graphs, check_keras
from nem2e_tf.signals import MuscleMap
from nem2e_tf.signals.emg import read_raw
from tests.repository import ROOT


@dataclass
class Reader:
    """A reader under test.

    Args:
        path: the file that it is given.
        read: reads it.
        seeds: files that are well-formed, or nearly.
        tokens: words of the format.
        named: what a refusal must name.
        has_ended: whether the last file ended the process in which compiled code read it.
        close: to be called when it is done with.
    """

    path: Path
    read: Callable[[Path], Any]
    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = ()
    named: str = ""
    has_ended: Callable[[], bool] = lambda: False
    close: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.named = self.named or self.path.name

    def refuses(self, data: bytes) -> bool:
        """Give it a file of these bytes.

        Returns:
            Whether it refused them, as it should: in one line that names the file.

        Raises:
            AssertionError: in another line. Any other exception is the reader's.
        """
        self.path.write_bytes(data)
        try:
            self.read(self.path)
        except InputError as error:
            assert len(str(error).splitlines()) == 1, f"not one line: {error}"
            assert len(str(error)) <= 1000, f"too long: {error}"
            assert self.named in str(error), f"names no file: {error}"
            return True
        return False


def open_reader(name: str, folder: Path) -> Reader:
    """A reader by its name, with a folder for its file."""
    folder.mkdir(parents=True, exist_ok=True)
    return OPENED[name](folder)


STORAGE = """made up
version=1
nRows=3
nColumns=3
inDegrees={degrees}
endheader
time\t{first}\tpelvis_tx
0.0\t1.5\t-2.25e-3
0.01\t1.75\t3
0.02\t2\t4.5
"""
TRC = """PathFileType\t4\t(X/Y/Z)\tmade_up.trc
DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames
100.00\t100.00\t3\t2\t{unit}\t100.00\t1\t3
Frame#\tTime\tASI\t\t\tKNE\t\t
\t\tX1\tY1\tZ1\tX2\tY2\tZ2

1\t0.00\t1.0\t2.0\t3.0\t4.0\t5.0\t6.0
2\t0.01\t\t\t\t4.0\t5.0\t6.0
3\t0.02\t1.0\t2.0\t3.0
"""
EMG = "time{0}soleus_r{0}tib_ant_r\n0.000{0}0{1}1{0}-0{1}2\n0.001{0}3e-4{0}4\n0.002{0}5{0}6\n"
ANC = """File_Type:\tAnalog R/C ASCII\tGeneration#:\t1
Board_Type:\tNone\tPolarity:\tBipolar

Name\tsoleus\ttib ant
Rate\t1000\t1000
Range\t10000\t10000
0.000\t-12\t40
0.001\t8\t-3
0.002\t1.5\t2e1
"""
TRIALS = """subject,task,model,motion,loads,moments,emg,start,end,notes
s1,walking,s1.osim,a.mot,,id.sto,emg.sto,0.5,2.5,"a, b"
s1,running,s1.osim,b.mot,grf.xml,,,0,10,
"""
MUSCLES = """soleus: soleus
# a comment
hamstrings: [{semimem: 0.5, semiten: 0.5}, {bflh: 1}]
vasti:
  - vas_lat
  - {vaslat: 2.0e-1}
"""
XML = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40000">
  <Model name="made up"><!-- nothing -->
    <BodySet><objects><Body name="thigh"><mass>1.5</mass>
      <attached_geometry><Mesh name="m"><mesh_file>femur.vtp</mesh_file></Mesh></attached_geometry>
    </Body></objects></BodySet><![CDATA[ a < b ]]>
  </Model>
</OpenSimDocument>
"""


def _storage(folder: Path) -> Reader:
    seeds = [
        STORAGE.format(degrees=degrees, first=first).encode()
        for degrees, first in (
            ("yes", "knee_angle_r"), ("no", "/jointset/knee_r/knee_angle_r/value")
        )
    ]  # fmt: skip
    tokens = [b"endheader\n", b"nRows=", b"inDegrees=yes", b"/value", b"/speed", b"time"]
    return Reader(folder / "f.sto", lambda p: read_motion(p, ["knee_angle_r"]), seeds, tokens)


def _trc(folder: Path) -> Reader:
    seeds = [TRC.format(unit=unit).encode() for unit in ("mm", "m")]
    tokens = [b"PathFileType", b"NumFrames", b"Units", b"cm", b"Frame#", b"Time"]
    return Reader(folder / "f.trc", read_markers, seeds, tokens)


def _c3d(folder: Path) -> Reader:
    path = folder / "f.c3d"
    process = _C3DProcess(folder)
    patch = mock.patch.object(c3d_content, "_read_in_process", process.open)
    patch.start()

    def close() -> None:
        patch.stop()
        process.close()

    tokens = [b"POINT", b"ANALOG", b"USED", b"RATE", b"LABELS", b"FORCE_PLATFORM", b"UNITS", b"+Y"]
    return Reader(path, _c3d_all, process.seeds(), tokens, has_ended=process.has_ended, close=close)


def _c3d_all(path: Path) -> None:
    content = c3d.read_c3d(path)
    if content.plates:
        content.ground_reactions()


class _C3DProcess:
    """ezc3d in a process that reads file after file; where a file ends it, in another.

    `nem2e_tf.files.c3d` begins one for every file; else this is what it does, with its own code.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._result = folder / "c3d.npz"
        self._process = subprocess.Popen(
            [sys.executable, "-P", Path(__file__).with_name("c3d_process.py")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._ended = False

    def seeds(self) -> list[bytes]:
        """Synthetic recordings: markers; markers, two force plates and EMG."""
        script = Path(__file__).with_name("c3d_process.py")
        subprocess.run([sys.executable, "-P", script, "--seeds", self._folder], check=True)
        return [path.read_bytes() for path in sorted(self._folder.glob("seed-*.c3d"))]

    def open(self, path: Path) -> Any:
        """In the place of `nem2e_tf.files.c3d_content._read_in_process`."""
        self._ended = False
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        stdin.write(f"{path}\t{self._result}\n")
        stdin.flush()
        line = stdout.readline()
        assert line, "the process that begins readers has ended"
        if line == "read\n":
            return c3d_content._load_result(self._result)
        self._ended = line == "\n"
        raise c3d_content._read_error(path, line.strip())

    def has_ended(self) -> bool:
        """Whether the last file ended the process."""
        return self._ended

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _emg_csv(folder: Path) -> Reader:
    seeds = [EMG.format(*marks).encode() for marks in (",.", ";,", "\t.")]
    return Reader(folder / "f.csv", read_raw, [*seeds, b"\xef\xbb\xbf" + seeds[0]], [b"time", b";"])


def _emg_anc(folder: Path) -> Reader:
    tokens = [b"File_Type:", b"Name", b"Rate", b"Range"]
    return Reader(folder / "f.anc", read_raw, [ANC.encode()], tokens)


def _trials(folder: Path) -> Reader:
    for name in ("s1.osim", "a.mot", "b.mot", "id.sto", "emg.sto", "grf.xml"):
        (folder / name).touch()
    tokens = [b"walking", b"s1.osim", b"../a.mot", b"subject", b"model", b"end"]
    return Reader(folder / "f.csv", read_trials, [TRIALS.encode()], tokens)


YAML_TOKENS = (b"&a ", b"*a", b"!!python/object/apply:os.system", b"<<: ", b"|", b">", b"? ", b"- ")


def _muscles(folder: Path) -> Reader:
    return Reader(folder / "f.yaml", MuscleMap.load, [MUSCLES.encode()], YAML_TOKENS)


def _experiment(folder: Path) -> Reader:
    from training.experiment import read_experiment

    seeds = [(ROOT / "training/configs/walking.yaml").read_bytes()]
    return Reader(folder / "f.yaml", read_experiment, seeds, YAML_TOKENS)


def _ablations(folder: Path) -> Reader:
    from training.evaluate import read_ablations
    from training.experiment import read_experiment
    from training.places import EVALUATION

    whole = read_experiment(EVALUATION)
    seeds = [(ROOT / "training/evaluation/ablations.yaml").read_bytes()]
    return Reader(folder / "f.yaml", lambda p: read_ablations(p, whole), seeds, YAML_TOKENS)


def _card(folder: Path) -> Reader:
    def read(path: Path) -> None:
        try:
            Card.read(path)
        except InputError:
            with suppress(InputError):
                read_signals(path.parent)
            raise
        try:
            read_signals(path.parent)
        except InputError as error:
            # Devices read it without pydantic, and must not refuse what the library takes.
            raise AssertionError(f"the library takes what devices refuse: {error}") from None

    card = json.loads((shipped_refiners()["walking"] / CARD).read_bytes())
    card |= {"scores": {}, "familiar": None, "fitted_on": card["fitted_on"][:1]}
    whole = {key: card["interval"][key] for key in card["outputs"]} if card["interval"] else None
    seeds = [json.dumps(card | {"interval": interval}).encode() for interval in (None, whole)]
    return Reader(folder / CARD, read, seeds, [b"rate", b"inputs", b"window", b"NaN", b"Infinity"])


def _exports(folder: Path) -> Reader:
    def read(path: Path) -> None:
        manifest = Manifest.read(path.parent)
        for form in manifest.forms:
            manifest.files(form)

    (folder / "a.tflite").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    manifest = Manifest.read(shipped_refiners()["stream"]).as_json()
    files = {"a.tflite": {"bytes": 3, "sha256": digest}}
    manifest["forms"] = {"tflite/int8": {"recipe": "int8", "files": files}}
    seeds = [json.dumps(manifest, indent=1).encode()]
    tokens = [b"forms", b"files", b"sha256", b"../a", b"/etc/passwd", b"network"]
    return Reader(folder / "exports.json", read, seeds, tokens, named=folder.name)


def _shards(folder: Path) -> Reader:
    (folder / "a.tfrecord").touch()
    shard = {"file": "a.tfrecord", "subject": "s", "task": "walking", "start": 0.5, "frames": 100}
    manifest = {
        "format": 1, "rate": 100.0, "simulated": ["soleus"], "measured": ["soleus"],
        "angles": ["hip_flexion"], "shards": [shard],
    }  # fmt: skip
    seeds = [json.dumps(manifest).encode()]
    tokens = [b"../a.tfrecord", b"a.tfrecord", b"frames", b"rate"]
    named = folder.name
    return Reader(folder / "manifest.json", lambda p: shards.Manifest.read(p.parent), seeds,
                  tokens, named)  # fmt: skip


def _stream(folder: Path) -> Reader:
    refiner = nem2e_tf.load("stream", runtime="tflite-int8")
    names = refiner.names(refiner.card.inputs, "r")

    def read(path: Path) -> None:
        lines = path.read_bytes().decode("utf-8", errors="replace").splitlines()
        for line in stream_lines(refiner, lines):
            assert len(line.split(",")) == 1 + len(names)

    rows = [[time, *(["0.25", "0"] * 9)[: len(names)]] for time in ("0.00", "0.01", "0.02", "9")]
    seeds = ["\n".join(",".join(row) for row in [["time", *names], *rows]).encode()]
    tokens = [name.encode() for name in names]
    return Reader(folder / "f.txt", read, seeds, tokens, named="standard input")


def _xml(folder: Path) -> Reader:
    (folder.parent / "outside.vtp").touch()
    tokens = [b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"<Model>", b"</Model>", b"<mesh_file>",
              b"../outside.vtp", b"<![CDATA[", b"<!--", b"encoding='utf-16'"]  # fmt: skip
    seeds = [XML.encode(), XML.replace("Model", "IKTaskSet").encode()]
    return Reader(folder / "f.osim", lambda p: check_document(p, "an OpenSim model", "Model"),
                  seeds, tokens)  # fmt: skip


def _keras(folder: Path) -> Reader:
    with zipfile.ZipFile(shipped_refiners()["walking"] / "refiner.keras") as archive:
        config = archive.read("config.json")

    def zip_config(config: bytes) -> bytes:
        content = BytesIO()
        with zipfile.ZipFile(content, "w") as archive:
            for name in MEMBERS:
                archive.writestr(name, config if name == "config.json" else b"{}")
        return content.getvalue()

    def read(path: Path) -> None:
        data = path.read_bytes()
        if not data.startswith(b"PK"):
            # What an archive holds, whose sums would not be right if they were changed in it.
            path.write_bytes(zip_config(data))
        check_keras(path)

    tokens = [b"Lambda", b"keras.layers", b"os", b"system", b"class_name", b"registered_name"]
    return Reader(folder / "refiner.keras", read, [config, zip_config(config)], tokens)


def _savedmodel(folder: Path) -> Reader:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel()
    graph = saved.meta_graphs.add()
    graph.object_graph_def.nodes.add().user_object.identifier = "_generic_user_object"
    graph.object_graph_def.concrete_functions["serve"].bound_inputs.append(0)
    for name, operations in (("serve", ("Const", "MatMul", "While")), ("save", ("SaveV2",))):
        function = graph.graph_def.library.function.add()
        function.signature.name = name
        for operation in operations:
            node = function.node_def.add(name=operation, op=operation)
            if operation == "While":
                node.attr["body"].func.name = "serve"

    tokens = [b"WriteFile", b"ReadFile", b"SaveV2", b"PyFunc", b"api_implements", b"serve"]
    return Reader(folder / "saved_model.pb", check_graphs, [saved.SerializeToString()], tokens)


OPENED: dict[str, Callable[[Path], Reader]] = {
    "storage": _storage, "trc": _trc, "c3d": _c3d, "emg-csv": _emg_csv, "emg-anc": _emg_anc,
    "trials": _trials, "muscles": _muscles, "experiment": _experiment, "ablations": _ablations,
    "card": _card, "exports": _exports, "shards": _shards, "stream": _stream, "xml": _xml,
    "keras": _keras, "savedmodel": _savedmodel,
}  # fmt: skip
