"""What a result is to be made of: a recording, a model, a refiner and options."""

import hashlib
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from nem2e_tf.edge import MANIFEST, refiner_folder, sha256
from nem2e_tf.files import check_input, find_named_file
from nem2e_tf.refiner import CARD, Card
from nem2e_tf.refiner.runtimes import WEIGHTS
from nem2e_tf.report.facts import InputFile, Inputs
from nem2e_tf.simulation import Recording

PACKAGES = ("nem2e-tf", "opensim", "tensorflow", "keras", "numpy", "scipy")
"""Packages whose versions a result depends on."""


@dataclass(frozen=True)
class Request:
    """A recording, with all options of its estimation.

    Args:
        model: the .osim.
        recording: Recording.
        refiner: name of a shipped refiner, or a refiner's folder.
        side: `r` or `l`.
        start: float or None. Seconds; None: where the last of the recording's files begins.
        end: float or None. Seconds; None: where the first of them ends.
        solver: as for `nem2e_tf.simulation.simulate`.
        paths: `exact` or `polynomial`.
        runtime: runtime of the network.
        emg: measured envelopes (.sto), or None.
        muscles: muscle map (.yaml) that pairs them, or None for the package's own.
        name: of the result; None: the recording's folder and file.
    """

    model: Path
    recording: Recording
    refiner: str
    side: str = "r"
    start: float | None = None
    end: float | None = None
    solver: str = "static"
    paths: str = "exact"
    runtime: str = "keras"
    emg: Path | None = None
    muscles: Path | None = None
    name: str | None = None

    @property
    def files(self) -> dict[str, Path]:
        """Every input file, by its role."""
        recording = self.recording
        paths = {
            "model": self.model, "motion": recording.motion, "markers": recording.markers,
            "moments": recording.moments, "loads": recording.loads,
            "forces": _force_file(recording.loads), "tasks": recording.tasks, "emg": self.emg,
            "muscles": self.muscles, "marker_names": recording.marker_names,
        }  # fmt: skip
        return {role: path for role, path in paths.items() if path is not None}

    def inputs(self) -> Inputs:
        """Everything that the result depends on; `InputError` if a file is missing."""
        folder = refiner_folder(self.refiner)
        Card.read(folder / CARD)
        # Exported files are made from the weights; without these the manifest identifies them.
        network = WEIGHTS if (folder / WEIGHTS).is_file() else MANIFEST
        parts = [sha256(path) for path in (folder / CARD, folder / network) if path.is_file()]
        files = {
            role: InputFile(path=str(path), sha256=sha256(check_input(path, f"the {role}")))
            for role, path in self.files.items()
        }
        return Inputs(
            files=files, up=self.recording.up, marker_prefix=self.recording.marker_prefix,
            side=self.side, start=self.start, end=self.end,
            solver=self.solver, paths=self.paths, runtime=self.runtime,
            refiner=hashlib.sha256("".join(parts).encode()).hexdigest(),
            versions={name: importlib.metadata.version(name) for name in PACKAGES},
        )  # fmt: skip


def _force_file(loads: Path | None) -> Path | None:
    """The data file of ExternalLoads; None if the loads are invalid: reading them raises later."""
    try:
        named = None if loads is None else ElementTree.parse(loads).findtext(".//datafile")
    except (OSError, ElementTree.ParseError):
        return None
    if loads is None or not named or not named.strip():
        return None
    return find_named_file(loads, named.strip())
