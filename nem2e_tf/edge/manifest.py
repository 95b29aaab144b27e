"""A refiner's folder, and the manifest of the exported forms of its network."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.edge.layout import Layout
from nem2e_tf.errors import InputError, suggest_name

MANIFEST = "exports.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """The exported forms of a refiner.

    Args:
        folder: of the refiner.
        layout: of the network.
        forms: by name, as `tflite/int8`, plain tables: `recipe`, `files` (by path within the
            folder: `bytes`, `sha256` and what its tensors are), `parity` with Keras, `versions`.
    """

    folder: Path
    layout: Layout
    forms: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read exports.json; `InputError` if it is missing or wrong."""
        path = folder / MANIFEST
        if not path.is_file():
            raise InputError(
                f"{folder}: no {MANIFEST} in this folder; export first: nem2e export {folder}"
            )
        try:
            manifest = json.loads(path.read_bytes())
            if manifest["format"] != FORMAT:
                raise InputError(
                    f"{path}: format {manifest['format']}, known is {FORMAT}; export again:"
                    f" nem2e export {folder}"
                )
            forms = {str(name): dict(form) for name, form in manifest["forms"].items()}
            return cls(folder, Layout.from_table(manifest["network"]), forms)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if isinstance(error, InputError):
                raise
            detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(
                f"{path}: not a manifest of exports: {detail}; export again: nem2e export {folder}"
            ) from None

    def files(self, form: str) -> dict[str, Path]:
        """Files of a form, by their names without suffix, checked against the manifest.

        Raises:
            InputError: there is no such form; a file lies outside the folder, is missing, or is
                not the exported one.
        """
        command = f"nem2e export {self.folder}"
        if form not in self.forms:
            raise InputError(
                f"{self.folder}: no form '{form}'; {suggest_name(form, self.forms)}; export it:"
                f" {command}"
            )
        try:
            listed = {
                str(name): (int(entry["bytes"]), str(entry["sha256"]))
                for name, entry in self.forms[form]["files"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise InputError(f"{self.folder / MANIFEST}: {form}: no list of files") from None
        paths = {}
        for name, (size, digest) in listed.items():
            path = self.folder / name
            shown_path = " ".join(str(path).split())
            try:
                is_inside = path.resolve().is_relative_to(self.folder.resolve())
                is_present = path.is_file()
            except (OSError, ValueError, RuntimeError):  # a loop of links; no name of a file
                is_inside = is_present = False
            if not is_inside:
                raise InputError(
                    f"{self.folder / MANIFEST}: {name!r}: outside the refiner's folder"
                )
            if not is_present:
                raise InputError(f"{shown_path}: missing; export again: {command}")
            if path.stat().st_size != size or sha256(path) != digest:
                raise InputError(
                    f"{shown_path}: not the file that {MANIFEST} names; export again: {command}"
                )
            paths[path.stem] = path
        return paths

    def as_json(self) -> dict[str, Any]:
        """Content of exports.json."""
        return {"format": FORMAT, "network": asdict(self.layout), "forms": dict(self.forms)}


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def shipped_refiners() -> dict[str, Path]:
    """Folders of the refiners that are part of the package, by name."""
    package = Path(__file__).resolve().parents[1]
    # Inside the package once it is built; at the top of the repository in a checkout.
    roots = (package / "saved_models", package.parent / "saved_models")
    root = next((root for root in roots if root.is_dir()), roots[0])
    return {path.parent.name: path.parent for path in sorted(root.glob("*/card.json"))}


def refiner_folder(refiner: str | os.PathLike[str]) -> Path:
    """A refiner's folder by its name or path; `InputError` if there is none."""
    folder = shipped_refiners().get(str(refiner)) or Path(refiner)
    if not folder.is_dir():
        suggestion = suggest_name(str(refiner), shipped_refiners())
        raise InputError(f"{refiner}: no such refiner or folder; {suggestion}")
    return folder
