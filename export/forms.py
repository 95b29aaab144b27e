"""Forms of a network in a refiner's folder: compared with Keras, then put in their place."""

import errno
import importlib.metadata
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import typer

from nem2e_tf.cli import terminal
from nem2e_tf.edge import MANIFEST, Manifest, Network, refiner_folder, sha256
from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import UNFINISHED_PREFIX, check_folder, exclusive_lock, replace_file
from nem2e_tf.refiner import CARD, Card, Refiner, load

from .windows import Windows, virtual_windows

EXACT = 1e-5
"""The most that an output, 0-1, of an exact form may differ from Keras."""
SHORTER = 5
"""Windows that are compared at another length too."""
ROOT_MEAN_SQUARE, WORST = 0.01, 0.03
"""The most that outputs of the other forms should differ, on average and anywhere."""


@dataclass(frozen=True)
class Parity:
    """How far a form is from Keras.

    Args:
        rms: root mean square of the differences of all outputs, which are 0-1.
        worst: largest absolute difference.
    """

    rms: float
    worst: float

    @classmethod
    def from_outputs(cls, found: np.ndarray, expected: np.ndarray) -> "Parity":
        """Of two arrays of outputs."""
        if found.shape != expected.shape:
            return cls(np.inf, np.inf)
        difference = np.abs(found - expected)
        return cls(float(np.sqrt(np.mean(difference**2))), float(difference.max()))

    @property
    def within(self) -> bool:
        """Whether it is as near as a form that is not exact should be. A NaN is not."""
        return self.rms <= ROOT_MEAN_SQUARE and self.worst <= WORST


@dataclass(frozen=True)
class Form:
    """A form of a network, not yet in its folder.

    Args:
        name: as in the manifest: `savedmodel`, `onnx` or `tflite/<recipe>`.
        recipe: of its numbers, as `float32`.
        exact: whether it must equal Keras to `EXACT`.
        write: writes it into a folder, under the names that it will have in the refiner's.
        open: the network, of a manifest that names those files.
        describe: what else is to be known of each file, by its name.
    """

    name: str
    recipe: str
    exact: bool
    write: Callable[[Path], None]
    open: Callable[[Manifest], Network]
    describe: Callable[[Path], Mapping[str, Any]] = lambda file: {}


def export(refiner: Refiner, forms: Iterable[Form], windows: Windows) -> list[dict[str, Any]]:
    """Write forms of a network into its refiner's folder, one run at a time.

    Each appears only if it agrees with Keras, and then replaces what was there.

    Args:
        refiner: Refiner, loaded from a folder.
        forms: Form.
        windows: what they are compared on.

    Returns:
        Of every form its name, files and parity, as the manifest has them.

    Raises:
        InputError: the folder cannot be written to, or an exact form differs from Keras.
    """
    folder = refiner.folder
    assert folder is not None
    check_folder(folder)
    expected = refiner.network(windows.simulated)
    # One frame less, so that no whole number of steps fills them.
    shorter = windows.simulated[:SHORTER, :-1]
    expected_shorter = refiner.network(shorter)
    exported = []
    with exclusive_lock(folder):
        for form in forms:
            with TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder) as beside:
                staging = Path(beside)
                _write(form, staging)
                files = {
                    path.relative_to(staging).as_posix(): {
                        "bytes": path.stat().st_size,
                        "sha256": sha256(path),
                        **form.describe(path),
                    }
                    for path in sorted(staging.rglob("*"))
                    if path.is_file()
                }
                manifest = Manifest(staging, refiner.network.layout, {form.name: {"files": files}})
                with terminal.silence_native_code():
                    network = form.open(manifest)
                    parity = Parity.from_outputs(network(windows.simulated), expected)
                    parity_shorter = Parity.from_outputs(network(shorter), expected_shorter)
                worst = np.maximum(parity.worst, parity_shorter.worst)
                # Not `worst > EXACT`: a NaN must fail too.
                if not worst <= (EXACT if form.exact else 1.0):
                    raise InputError(
                        f"{folder}: {form.name} not written: it differs from Keras by {worst:.1e}"
                    )
                table = {
                    "recipe": form.recipe,
                    "files": files,
                    "parity": {
                        "windows": windows.describe(),
                        "rms": parity.rms,
                        "worst": parity.worst,
                    },
                    "versions": _versions(),
                }
                _move_into_place(folder, staging, form.name, table, manifest)
            exported.append({"form": form.name, **table, "within": form.exact or parity.within})
    return exported


def _write(form: Form, staging: Path) -> None:
    import tensorflow as tf

    place = str(staging.parent / form.name)
    try:
        form.write(staging)
    except OSError as error:
        raise OSError(error.errno, error.strerror, place) from None
    except tf.errors.OpError as error:
        fault = error.message.rpartition("; ")[2]  # what is before names temporary files
        raise OSError(errno.EIO, fault, place) from None


def _move_into_place(
    folder: Path, staging: Path, form: str, table: Mapping[str, Any], manifest: Manifest
) -> None:
    """Move a form's files to their place; the manifest names them only when all are there."""
    path = folder / MANIFEST
    forms = dict(Manifest.read(folder).forms) if path.exists() else {}
    forms.pop(form, None)
    _write_manifest(path, manifest, forms)
    for top in sorted({Path(name).parts[0] for name in table["files"]}):
        # Of tflite/ only the recipe's own folder is replaced.
        own = Path(form) if Path(form).parts[0] == top else Path(top)
        target = folder / own
        if target.is_dir():
            shutil.rmtree(target)
        target.parent.mkdir(exist_ok=True)
        (staging / own).replace(target)
    _write_manifest(path, manifest, forms | {form: table})


def _write_manifest(path: Path, manifest: Manifest, forms: Mapping[str, Any]) -> None:
    ordered = {name: forms[name] for name in sorted(forms)}
    found = Manifest(path.parent, manifest.layout, ordered).as_json()
    with replace_file(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8", newline="\n")


def _versions() -> dict[str, str]:
    names = ("nem2e-tf", "tensorflow", "keras", "tf2onnx", "ai-edge-litert", "onnxruntime")
    found = {}
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):  # an extra that is not installed
            found[name] = importlib.metadata.version(name)
    return found


def fitted_tasks(refiner: Refiner) -> list[str]:
    """The tasks that a refiner was fitted on."""
    return list(dict.fromkeys(source.task for source in refiner.card.fitted_on))


def choose_recipes(names: list[str] | None, recipes: Iterable[str]) -> list[str]:
    """The recipes asked for, or all."""
    known = list(recipes)
    for recipe in names or ():
        if recipe not in known:
            raise InputError(f"there is no recipe '{recipe}' here; {suggest_name(recipe, known)}")
    return [recipe for recipe in known if not names or recipe in names]


def run(name: str, forms: Callable[[Refiner], Iterable[Form]], as_json: bool) -> None:
    """Export forms of a refiner and say what was written."""
    # What can be refused is, before TensorFlow is loaded and people are simulated.
    Card.read(check_folder(refiner_folder(name)) / CARD)
    terminal.import_tensorflow_quietly()
    refiner = load(name)
    windows = virtual_windows(refiner.signals, fitted_tasks(refiner))
    exported = export(refiner, forms(refiner), windows)
    if as_json:
        terminal.print_json({"refiner": str(refiner.folder), "forms": exported})
        return
    for form in exported:
        size = sum(file["bytes"] for file in form["files"].values())
        parity = form["parity"]
        terminal.print_lines(
            [
                f"wrote {refiner.folder}: {form['form']}, {size:,} bytes; from Keras"
                f" {parity['rms']:.1e} on average, {parity['worst']:.1e} at most, over windows:"
                f" {parity['windows']}"
            ]
        )
        if not form["within"]:
            terminal.print_warnings(
                [
                    f"{form['form']} differs from Keras by more than {ROOT_MEAN_SQUARE:g} on"
                    f" average or {WORST:g} anywhere"
                ]
            )


RefinerArgument = typer.Argument(help="Name of a shipped refiner, or its folder.")


def command(
    written: str,
    recipes: Sequence[str],
    forms: Callable[[Refiner, list[str] | None], Iterable[Form]],
) -> typer.Typer:
    """The command that exports a refiner in some recipes.

    Args:
        written: what it writes into the refiner's folder.
        recipes: that there are.
        forms: gives the forms of a refiner in some recipes; None: in all.
    """
    app = terminal.make_app("Export a refiner.")

    @app.command(help=f"Write {written} into a refiner's folder, compared with Keras.")
    def main(
        refiner: Annotated[str, RefinerArgument],
        recipe: Annotated[
            list[str] | None,
            typer.Option(help=f"{', '.join(recipes)}; may be repeated; all otherwise."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        choose_recipes(recipe, recipes)
        run(refiner, lambda trained: forms(trained, recipe), as_json)

    return app
