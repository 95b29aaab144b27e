"""A refiner's network in every supported runtime."""

import importlib.util
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile, ZipInfo

import numpy as np

from nem2e_tf.edge import MANIFEST, Layout, Manifest, Network, StepNetwork, load_step_network
from nem2e_tf.edge import RUNTIMES as TFLITE
from nem2e_tf.errors import InputError, require, suggest_name
from nem2e_tf.files import replace_file
from nem2e_tf.refiner.trust import check_keras, check_saved_model

WEIGHTS = "refiner.keras"
RUNTIMES = ("keras", "savedmodel", *TFLITE, "onnx")


class KerasNetwork:
    """The Keras model itself; see `nem2e_tf.edge.Network`.

    Args:
        model: keras.Model of `(batch, time, inputs)` to `(batch, time, outputs)`.
    """

    def __init__(self, model: Any) -> None:
        import tensorflow as tf

        from nem2e_tf.network.step_graphs import layout_of

        self.model = model
        self.layout = layout_of(model)
        signature = [tf.TensorSpec((None, None, self.layout.inputs), tf.float32)]
        self._run = tf.function(lambda x: model(x, training=False), input_signature=signature)

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Refine windows."""
        refined: np.ndarray = self._run(windows).numpy()
        return refined

    def step_network(self) -> StepNetwork:
        """The network step by step, with the same weights."""
        from nem2e_tf.network.step_graphs import KerasGraphs

        return StepNetwork(self.layout, KerasGraphs(self.model))


class FunctionNetwork:
    """A network that is one function of `(batch, time, inputs)` float32."""

    def __init__(self, layout: Layout, function: Callable[[np.ndarray], np.ndarray]) -> None:
        self.layout = layout
        self._function = function

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        """Refine windows."""
        return self._function(np.asarray(windows, np.float32))


def open_network(folder: Path, runtime: str) -> Network:
    """Load the network of a refiner's folder.

    Args:
        folder: path.
        runtime: one of `RUNTIMES`.

    Raises:
        InputError: there is no such runtime, it is not installed, or the refiner was not exported
            for it.
    """
    if runtime not in RUNTIMES:
        raise InputError(f"there is no runtime '{runtime}'; {suggest_name(runtime, RUNTIMES)}")
    if runtime == "keras":
        return KerasNetwork(_load_keras_model(folder))
    if runtime in TFLITE:
        return load_step_network(folder, runtime)
    return (open_saved_model if runtime == "savedmodel" else open_onnx)(Manifest.read(folder))


def choose_stream_runtime(folder: Path) -> str:
    """The fastest runtime for a stream that is installed and that a refiner was exported for.

    Args:
        folder: path. The refiner's.

    Returns:
        `tflite-int8` or `tflite` where LiteRT is installed, else `keras`.

    Raises:
        InputError: the manifest of exports cannot be read.
    """
    if not (folder / MANIFEST).is_file() or importlib.util.find_spec("ai_edge_litert") is None:
        return "keras"
    forms = Manifest.read(folder).forms
    return next((name for name in ("tflite-int8", "tflite") if TFLITE[name] in forms), "keras")


def _load_keras_model(folder: Path) -> Any:
    if not (folder / WEIGHTS).is_file():
        raise InputError(f"{folder}: no {WEIGHTS} in this folder; it is not a refiner")

    import keras

    import nem2e_tf.network.stdr_net  # noqa: F401  registers the network's layers with Keras

    check_keras(folder / WEIGHTS)
    try:
        return keras.models.load_model(folder / WEIGHTS, compile=False, safe_mode=True)
    except Exception as error:  # a wrong layer setting can raise anything
        raise _load_error(folder / WEIGHTS, "Keras", error) from None


def _load_error(path: Path, loader: str, error: Exception) -> InputError:
    detail = " ".join(str(error).split())[:200]
    return InputError(f"{path}: {loader} cannot load this network: {detail}")


def write_keras_model(model: Any, path: Path) -> None:
    """Write a Keras model as `keras.Model.save` does, but reproducibly: always the same bytes."""
    with replace_file(path) as temporary:
        model.save(temporary)
        saved = io.BytesIO(temporary.read_bytes())
        with ZipFile(saved) as dated, ZipFile(temporary, "w") as plain:
            for name in dated.namelist():
                content = _remove_dates(name, dated.read(name))
                plain.writestr(ZipInfo(name), content)  # of 1980, as all without a date


def _remove_dates(name: str, content: bytes) -> bytes:
    """A part of a .keras file without its date and without memory addresses.

    Keras uses the addresses for objects that layers share; layers of these networks share none.
    """
    if name == "metadata.json":
        return json.dumps(json.loads(content) | {"date_saved": ""}).encode()
    if name == "config.json":
        return re.sub(rb', "shared_object_id": \d+', b"", content)
    return content


def open_saved_model(manifest: Manifest) -> FunctionNetwork:
    """Load the network of savedmodel/, without Keras."""
    import tensorflow as tf

    manifest.files("savedmodel")
    check_saved_model(manifest)
    path = manifest.folder / "savedmodel"
    try:
        loaded = tf.saved_model.load(path)
        serve = loaded.signatures["serving_default"]
    except Exception as error:  # a wrong graph can raise anything
        raise _load_error(path, "TensorFlow", error) from None

    def run(windows: np.ndarray) -> np.ndarray:
        refined: np.ndarray = serve(simulated=tf.constant(windows))["activity"].numpy()
        return refined

    return FunctionNetwork(manifest.layout, run)


def open_onnx(manifest: Manifest, threads: int | None = None) -> FunctionNetwork:
    """Load the network of refiner.onnx in onnxruntime; `InputError` if it is not installed.

    Without a number of threads onnxruntime uses one for every core.
    """
    require("onnxruntime")
    import onnxruntime

    (file,) = manifest.files("onnx").values()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        # From bytes, not from a path, so that the model cannot refer to other files.
        session = onnxruntime.InferenceSession(file.read_bytes(), options)
    except Exception as error:  # its exceptions have no common base class
        raise _load_error(file, "onnxruntime", error) from None

    def run(windows: np.ndarray) -> np.ndarray:
        (refined,) = session.run(["activity"], {"simulated": windows})
        return refined

    return FunctionNetwork(manifest.layout, run)
