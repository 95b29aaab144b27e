"""A refiner as ONNX: `python -m export.onnx saved_models/walking`.

One graph for any number of windows of any length: `simulated` `(batch, time, inputs)` to `activity`
`(batch, time, outputs)`, both float32.
"""

from functools import partial
from pathlib import Path
from typing import Any

from nem2e_tf.cli import terminal
from nem2e_tf.refiner import Refiner
from nem2e_tf.refiner.runtimes import open_onnx

from .forms import Form, choose_recipes, command

RECIPES = ("float32",)
OPSET = 18


def convert(model: Any) -> Any:
    """An `onnx.ModelProto` of a Keras model, checked."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    signature = [tf.TensorSpec((None, None, model.input_shape[-1]), tf.float32, "simulated")]
    run_model = tf.function(
        lambda simulated: {"activity": model(simulated, training=False)}, input_signature=signature
    )
    converted, _ = tf2onnx.convert.from_function(run_model, signature, opset=OPSET)
    onnx.checker.check_model(converted, full_check=True)
    return converted


def forms(refiner: Refiner, recipes: list[str] | None = None) -> list[Form]:
    """The form of a refiner as ONNX."""
    return [
        Form("onnx", recipe, True, partial(_write, refiner.model), open_onnx)
        for recipe in choose_recipes(recipes, RECIPES)
    ]


def _write(model: Any, folder: Path) -> None:
    with terminal.silence_native_code():
        content = convert(model).SerializeToString()
    (folder / "refiner.onnx").write_bytes(content)


if __name__ == "__main__":
    terminal.run(command("refiner.onnx", RECIPES, forms))
