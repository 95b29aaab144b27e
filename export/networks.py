"""The exported forms of a refiner as networks that can be called."""

from pathlib import Path

import numpy as np

from nem2e_tf.edge import Layout, LiteRT, Manifest, Network, StepNetwork
from nem2e_tf.refiner.runtimes import FunctionNetwork, open_onnx, open_saved_model


def open_form(
    manifest: Manifest, form: str, threads: int | None = None, xnnpack: bool = True
) -> Network:
    """The network of a form.

    Args:
        manifest: Manifest.
        form: one of its forms.
        threads: of LiteRT and onnxruntime; None leaves it to them.
        xnnpack: see `LiteRT`.
    """
    if form == "savedmodel":
        return open_saved_model(manifest)
    if form == "onnx":
        return open_onnx(manifest, threads)
    return StepNetwork(manifest.layout, LiteRT(manifest.files(form), threads or 1, xnnpack))


def open_window_graph(file: Path, layout: Layout, threads: int = 1) -> FunctionNetwork:
    """A .tflite file that takes a whole window, in LiteRT."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=file.read_bytes(), num_threads=threads)
    interpreter.allocate_tensors()
    (source,), (sink,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(windows: np.ndarray) -> np.ndarray:
        found = []
        for window in windows:
            interpreter.set_tensor(source["index"], window[None])
            interpreter.invoke()
            found.append(interpreter.get_tensor(sink["index"])[0])
        return np.stack(found)

    return FunctionNetwork(layout, run)
