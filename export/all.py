"""Every form of a refiner: `nem2e export walking`, or `python -m export.all walking`."""

from collections.abc import Iterable

from nem2e_tf.cli import terminal
from nem2e_tf.refiner import Refiner

from . import onnx, savedmodel, tflite
from .command import export
from .forms import Form


def make_forms(refiner: Refiner, names: Iterable[str]) -> list[Form]:
    """Forms of a refiner, not yet written.

    Args:
        refiner: Refiner, in Keras.
        names: of `nem2e_tf.export.command.FORMS`.
    """
    names = set(names)
    made = savedmodel.forms(refiner) if "savedmodel" in names else []
    recipes = [recipe for recipe in tflite.RECIPES if f"tflite-{recipe}" in names]
    if recipes:
        made += tflite.forms(refiner, recipes)
    return made + (onnx.forms(refiner) if "onnx" in names else [])


if __name__ == "__main__":
    terminal.run_command(export)
