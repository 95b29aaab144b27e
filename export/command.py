"""The commands `nem2e export` and `nem2e verify`.

`nem2e --help` imports this module, so what the commands need is imported when they run.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated

import typer

from nem2e_tf.cli.options import Json
from nem2e_tf.errors import InputError, require, suggest_name

FORMS = (
    "savedmodel", "onnx",
    "tflite-float32", "tflite-float16", "tflite-dynamic", "tflite-int8", "tflite-int8-web",
)  # fmt: skip
"""What a refiner can be exported as: a format and, of TensorFlow Lite, a recipe."""
CONVERTERS = {"onnx": "tf2onnx"}
"""By format, the package that converts to it; TensorFlow has the other converters."""
RUNTIMES = {"onnx": "onnxruntime", "tflite": "ai_edge_litert"}
"""By format, the package that runs it, to compare it with Keras."""

RefinerName = Annotated[
    str, typer.Argument(metavar="REFINER", help="Name of a shipped refiner, or a refiner's folder.")
]


def export(
    refiner: RefinerName,
    form: Annotated[
        list[str] | None,
        typer.Option(metavar="FORM", help=f"{', '.join(FORMS)}; may be repeated. All if left out."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Export a refiner as SavedModel, ONNX and TensorFlow Lite.

    Each form is compared with Keras on synthetic recordings, then written into the refiner's
    folder, where it replaces a former one.
    """
    forms = choose_forms(form)
    formats = {name.partition("-")[0] for name in forms}
    require_packages(formats, CONVERTERS, RUNTIMES)
    from .all import make_forms
    from .forms import run

    run(refiner, lambda loaded: make_forms(loaded, forms), as_json)


def verify(refiner: RefinerName, as_json: Json = False) -> None:
    """Compare every exported form of a refiner with Keras.

    The windows come from recordings, where they are at hand, and from virtual people (synthetic);
    no refiner was fitted on them. Exits with status 1 if a form differs too much.
    """
    from .verify import run

    run(refiner, as_json)


def choose_forms(names: Sequence[str] | None) -> list[str]:
    """The forms of these names in the order of `FORMS`, or all; `InputError` for an unknown one."""
    for name in names or ():
        if name not in FORMS:
            raise InputError(f"there is no form '{name}'; {suggest_name(name, FORMS)}")
    return [name for name in FORMS if not names or name in names]


def require_packages(formats: Iterable[str], *tables: dict[str, str]) -> None:
    """`InputError` if a package that a format needs, by these tables, is not installed."""
    for name in sorted(set(formats)):
        for table in tables:
            if name in table:
                require(table[name], extra="export")
