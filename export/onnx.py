"""A refiner as ONNX: `python -m export.onnx saved_models/walking`.

One graph for any number of windows of any length: `simulated` `(batch, time, inputs)` to `activity`
`(batch, time, outputs)`, both float32.
"""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from export.forms import Form, RecipeOption, RefinerArgument, chosen, run
from nem2e_tf import terminal
from nem2e_tf.refiner import Refiner
from nem2e_tf.runtimes import open_onnx

RECIPES = ("float32",)
OPSET = 18

app = terminal.application("Export a refiner as ONNX.")


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
        for recipe in chosen(recipes, RECIPES)
    ]


def _write(model: Any, folder: Path) -> None:
    with terminal.without_native_notes():
        content = convert(model).SerializeToString()
    (folder / "refiner.onnx").write_bytes(content)


@app.command()
def main(
    refiner: Annotated[str, RefinerArgument],
    recipe: Annotated[list[str] | None, RecipeOption] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write refiner.onnx into a refiner's folder, compared with Keras."""
    chosen(recipe, RECIPES)
    run(refiner, lambda trained: forms(trained, recipe), as_json)


if __name__ == "__main__":
    terminal.run(app)
