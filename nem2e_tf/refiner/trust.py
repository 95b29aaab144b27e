"""Checks of a network's files, so that loading one from an unknown source runs only arithmetic.

A hash in a manifest identifies the exported file, not its author: the content of a file is checked
before Keras or TensorFlow opens it.
"""

import json
import lzma
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nem2e_tf.edge import LARGEST_SIZE, Manifest
from nem2e_tf.errors import InputError

MEMBERS = {"metadata.json": 2**20, "config.json": 2**20, "model.weights.h5": 2**28}
"""Files of a .keras archive, with the largest unpacked size in bytes. Usual is 0.3 MB."""

NO_SIZES = ("seed", "shared_object_id")
"""Settings that may be any integer."""

CLASSES: dict[str | None, tuple[str, ...]] = {
    None: ("__keras_tensor__", "__tuple__"),
    "keras": ("DTypePolicy",),
    "keras.initializers": (
        "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Ones", "Orthogonal",
        "RandomNormal", "RandomUniform", "Zeros",
    ),
    "keras.layers": (
        "Activation", "Add", "BatchNormalization", "Bidirectional", "Concatenate", "Conv1D",
        "Dense", "Dropout", "GRU", "InputLayer", "LSTM", "LayerNormalization", "MultiHeadAttention",
        "Multiply", "Reshape",
    ),
    "keras.src.models.functional": ("Functional",),
    "nem2e_tf.network.decoder": ("AttentionDecoder",),
    "nem2e_tf.network.stdr_net": ("Fold", "PaddingMask", "Unfold"),
    # Names of modules in version 0.1.
    "nem2e_tf.decoder": ("AttentionDecoder",),
    "nem2e_tf.stdr_net": ("Fold", "PaddingMask", "Unfold"),
}  # fmt: skip
"""Allowed classes by module: no layer that contains code or opens a file."""

COMPUTING = {
    "Add", "AddN", "AddV2", "All", "Any", "BatchMatMulV2", "BiasAdd", "Cast", "ConcatV2", "Const",
    "Conv2D", "Einsum", "EnsureShape", "Equal", "Erf", "Exp", "ExpandDims", "Fill", "FloorDiv",
    "FloorMod", "Gather", "GatherNd", "GatherV2", "Greater", "GreaterEqual", "Identity",
    "IdentityN", "If", "Less", "LessEqual", "LogicalAnd", "LogicalNot", "LogicalOr", "MatMul",
    "Max", "Maximum", "Mean", "Min", "Minimum", "Mul", "Neg", "NoOp", "NotEqual", "OneHot", "Pack",
    "Pad", "PadV2", "PartitionedCall", "Placeholder", "Pow", "Prod", "Range", "Rank",
    "ReadVariableOp", "RealDiv", "Relu", "Reshape", "ReverseV2", "Rsqrt", "Select", "SelectV2",
    "Shape", "Sigmoid", "Slice", "Softmax", "Split", "SplitV", "Sqrt", "Square",
    "SquaredDifference", "Squeeze", "StatefulPartitionedCall", "StatelessIf", "StatelessWhile",
    "StopGradient", "StridedSlice", "Sub", "Sum", "Tanh", "TensorListFromTensor",
    "TensorListGetItem", "TensorListReserve", "TensorListSetItem", "TensorListStack", "Tile",
    "Transpose", "Unpack", "VarHandleOp", "While", "ZerosLike",
}  # fmt: skip
"""Operations of a TensorFlow graph that compute with tensors and variables only."""

SAVING = {
    "AssignVariableOp", "DisableCopyOnRead", "MergeV2Checkpoints", "RestoreV2", "SaveV2",
    "ShardedFilename", "StaticRegexFullMatch", "StringJoin",
}  # fmt: skip
"""Operations of the functions that save and restore a SavedModel's variables. Loading does not
call these functions, and no other function may."""

OBJECTS = {"user_object", "variable", "function", "bare_concrete_function", "constant"}
"""Kinds of objects in a SavedModel. Others, such as tables and assets, run code or open files."""


def check_keras(path: Path) -> None:
    """Refuse a .keras file that contains anything but known layers and their weights.

    Args:
        path: path. The file.

    Raises:
        InputError: not a Keras archive, another file in it, a file that unpacks to more than its
            limit, a class that is not in `CLASSES`, or a size beyond `LARGEST_SIZE`.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sorted(member.filename for member in members) != sorted(MEMBERS):
                names = ", ".join(repr(m.filename) for m in members[:5]) or "nothing"
                raise InputError(
                    f"{path}: holds {names}; a network has {', '.join(MEMBERS)} and nothing else"
                )
            for member in members:
                if member.file_size > MEMBERS[member.filename]:
                    raise InputError(
                        f"{path}: {member.filename} unpacks to {member.file_size} bytes; a network"
                        f" has {MEMBERS[member.filename]} at most"
                    )
            config = json.loads(archive.read("config.json"))
    except InputError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, lzma.LZMAError, ValueError, OSError, EOFError,
        RuntimeError, IndexError, OverflowError,
    ) as error:  # fmt: skip
        detail = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: Keras cannot load this network: {detail}") from None
    if isinstance(config, dict):
        # Loss and optimiser are not loaded.
        config.pop("compile_config", None)
    _check_config(path, config)


def _check_config(path: Path, config: Any) -> None:
    pending: list[tuple[str, Any]] = [("", config)]
    while pending:
        name, value = pending.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                _check_class(path, value)
            pending += value.items()
        elif isinstance(value, list):
            pending += ((name, item) for item in value)
        elif isinstance(value, int) and abs(value) > LARGEST_SIZE and name not in NO_SIZES:
            raise InputError(
                f"{path}: its '{name}' of {str(value)[:20]} is beyond any network's;"
                f" {LARGEST_SIZE} is the most"
            )


def _check_class(path: Path, layer: dict[str, Any]) -> None:
    name, module = layer["class_name"], layer.get("module")
    registered = layer.get("registered_name")
    expected = f"nem2e_tf>{name}" if str(module).startswith("nem2e_tf.") else name
    is_known = isinstance(module, str | None) and name in CLASSES.get(module, ())
    if not is_known or registered not in (None, expected):
        full_name = ".".join(str(part) for part in (module, registered or name) if part)
        raise InputError(
            f"{path}: asks for '{full_name[:100]}', which is no layer of a refiner; it is not"
            " loaded, as it might run code"
        )


def check_saved_model(manifest: Manifest) -> None:
    """Refuse a SavedModel whose graphs do more than compute.

    Args:
        manifest: Manifest. Its files of the form `savedmodel` exist.

    Raises:
        InputError: a file that the manifest does not list, no SavedModel of TensorFlow 2, an
            operation that is not in `COMPUTING`, or a resource that loading creates.
    """
    root = manifest.folder / "savedmodel"
    listed = set(manifest.forms["savedmodel"]["files"])
    for file in sorted(root.rglob("*")):
        name = file.relative_to(manifest.folder).as_posix()
        if not file.is_dir() and name not in listed:
            raise InputError(f"{file}: is not in the manifest of exports; remove it")
    path = root / "saved_model.pb"
    if f"savedmodel/{path.name}" not in listed:
        raise InputError(f"{manifest.folder}: the manifest lists no savedmodel/{path.name}")
    check_graphs(path)


def check_graphs(path: Path) -> None:
    """Refuse a saved_model.pb as `check_saved_model` does."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        saved = SavedModel.FromString(path.read_bytes())
    except DecodeError as error:
        raise InputError(f"{path}: not a SavedModel: {error}") from None
    if len(saved.meta_graphs) != 1 or not saved.meta_graphs[0].HasField("object_graph_def"):
        raise InputError(f"{path}: not a SavedModel of one graph, as TensorFlow 2 writes it")
    graph, objects = saved.meta_graphs[0].graph_def, saved.meta_graphs[0].object_graph_def
    for node in objects.nodes:
        if (kind := node.WhichOneof("kind")) not in OBJECTS:
            raise InputError(f"{path}: holds an object of the kind '{kind}'; a network has none")
    functions = {function.signature.name: function for function in graph.library.function}
    called, pending = set[str](), list(objects.concrete_functions)
    while pending:
        name = pending.pop()
        if name in functions and name not in called:
            called.add(name)
            pending += _called_functions(functions[name].node_def)
    _check_operations(path, graph.node, COMPUTING)
    for name, function in functions.items():
        # Functions with the same `api_implements` may replace each other.
        saves = name not in called and "api_implements" not in function.attr
        _check_operations(path, function.node_def, COMPUTING | SAVING if saves else COMPUTING)


def _called_functions(nodes: Iterable[Any]) -> Iterable[str]:
    for node in nodes:
        for value in node.attr.values():
            yield value.func.name
            yield from (function.name for function in value.list.func)


def _check_operations(path: Path, nodes: Iterable[Any], allowed: set[str]) -> None:
    for node in nodes:
        if node.op not in allowed:
            raise InputError(
                f"{path}: its operation '{node.op}' is none of a network's; it is not loaded, as it"
                " might read or write files"
            )
