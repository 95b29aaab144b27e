"""Every form of a refiner: `python -m export.all saved_models/walking`."""

from typing import Annotated

import typer

from nem2e_tf.cli import terminal

from . import onnx, savedmodel, tflite
from .forms import RefinerArgument, run

app = terminal.application("Export a refiner in all its forms.")


@app.command()
def main(
    refiner: Annotated[str, RefinerArgument],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write SavedModel, TensorFlow Lite and ONNX into a refiner's folder, compared with Keras."""
    run(
        refiner,
        lambda trained: [
            form for room in (savedmodel, tflite, onnx) for form in room.forms(trained)
        ],
        as_json,
    )


if __name__ == "__main__":
    terminal.run(app)
