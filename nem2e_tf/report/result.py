"""The result of one trial, and the folder that holds it: inputs, envelopes and the verdict on them.

    emg.sto         envelopes, and the bounds of their interval where the refiner has one
    simulated.sto   simulated activity of all muscles of the leg, and reserve moments in N m
    motion.sto      all coordinates, radians and metres, before the simulation's low-pass
    measured.sto    measured envelopes, where there are any, under the names of the refined ones
    result.json     everything else: `nem2e_tf.report.Facts`

Time is that of the recording, in seconds, and the rate that of the facts.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from nem2e_tf.errors import InputError
from nem2e_tf.files import check_new_folder, create_folder, read_storage, write_storage
from nem2e_tf.report.facts import Facts, Inputs
from nem2e_tf.simulation import Verdict

FACTS = "result.json"
EMG, SIMULATED, MOTION, MEASURED = "emg.sto", "simulated.sto", "motion.sto", "measured.sto"
TIME_TOLERANCE = 0.1
"""Seconds by which a file's time range may differ from that of the facts, as rates differ."""
LARGEST_FACTS = 20_000_000
"""Limit in bytes. The result.json of an hour has less than one megabyte."""


@dataclass(frozen=True, repr=False)
class Result:
    """The result of one trial.

    Args:
        facts: Facts. Inputs, verdict, warnings and scores: the content of result.json.
        refined: `(frames, muscles)`, envelopes.
        bounds: `(frames, 2 * muscles)`, `<muscle>_lower` and `<muscle>_upper`; no columns if
            the refiner has no interval.
        simulated: `(frames, muscles + coordinates)`, activations and reserve moments in N m.
        motion: `(frames, coordinates)`, radians and metres.
        measured: `(some frames, some muscles)` or None.
    """

    facts: Facts
    refined: pd.DataFrame
    bounds: pd.DataFrame
    simulated: pd.DataFrame
    motion: pd.DataFrame
    measured: pd.DataFrame | None

    @property
    def emg(self) -> pd.DataFrame:
        """Refined EMG envelopes, `(frames, muscles)`, index `time` in seconds: `refined`."""
        return self.refined

    @property
    def verdict(self) -> Verdict:
        """Whether the simulation can be trusted: its reserves and residuals against thresholds."""
        return self.facts.verdict

    @property
    def warnings(self) -> list[str]:
        """Sentences to read before the result is used; empty if there is nothing to warn of."""
        return self.facts.warnings

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write the result's folder; see `write_result`."""
        write_result(self, Path(folder))

    def report(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML page; an existing file is replaced."""
        from nem2e_tf.report.page import write_report

        write_report(self, Path(path))

    def __repr__(self) -> str:
        facts, verdict = self.facts, self.verdict
        count = len(self.warnings)
        lines = [
            f"Result of {facts.name}: {len(facts.muscles)} muscles,"
            f" {facts.start:.2f}-{facts.end:.2f} s at {facts.rate:g} Hz",
            f"  emg: {len(self.refined)} frames of {', '.join(facts.muscles)}",
            f"  simulated by {facts.inputs.solver}, refined by {facts.refiner.name}",
            f"  verdict: {'sound' if verdict.is_sound else 'not sound'},"
            f" {count} warning{'' if count == 1 else 's'}",
        ]
        if facts.scores is not None:
            rows = [(facts.scores.refined[m].r, facts.scores.simulated[m].r)
                    for m in facts.scores.refined]  # fmt: skip
            refined, simulated = (sum(column) / len(rows) for column in zip(*rows, strict=True))
            lines.append(
                f"  mean r against measured EMG: {refined:.2f} (simulated {simulated:.2f})"
            )
        return "\n".join(lines)


def has_same_inputs(folder: Path, inputs: Inputs) -> bool:
    """Whether a folder already holds the result of these inputs; False if the folder is free.

    Raises:
        InputError: the folder holds something else.
    """
    if not (folder / FACTS).is_file():
        check_new_folder(folder)
        return False
    difference = read_facts(folder).inputs.first_difference(inputs)
    if difference is not None:
        raise InputError(
            f"{folder}: holds a result with another '{difference}'; name another folder,"
            " or remove it"
        )
    return True


def write_result(result: Result, folder: Path) -> None:
    """Write a result's folder, whole or not at all.

    Raises:
        InputError: something is there already, or the folder around it cannot be written to.
    """
    facts = result.facts
    frames = {
        EMG: (result.refined.join(result.bounds), "EMG envelopes"),
        SIMULATED: (result.simulated, "Simulated muscle activity"),
        MOTION: (result.motion, "Joint motion"),
    }
    if result.measured is not None:
        frames[MEASURED] = (result.measured, "Measured EMG envelopes")
    # A title is one line, whatever a file is called.
    name = " ".join(facts.name.split())
    with create_folder(folder) as temporary:
        for file, (frame, title) in frames.items():
            write_storage(frame, temporary / file, f"{title} of {name}")
        text = facts.model_dump_json(indent=1, by_alias=True)
        (temporary / FACTS).write_text(text + "\n", encoding="utf-8", newline="\n")


def read_result(folder: Path) -> Result:
    """Read a result's folder, from whatever source.

    Raises:
        InputError: the folder is not a result, or a file of it is missing, wrong, or a link that
            leads out of the folder.
    """
    facts = read_facts(folder)
    emg = _read_frame(folder, EMG, facts)
    _require_columns(folder / EMG, emg, facts.muscles)
    edges = [f"{muscle}_{edge}" for muscle in facts.muscles for edge in ("lower", "upper")]
    bounds = emg[edges] if set(edges) <= set(emg.columns) else emg[[]]
    measured = None
    if facts.scores is not None:
        measured = _read_frame(folder, MEASURED, facts)
        _require_columns(folder / MEASURED, measured, list(facts.scores.refined))
    return Result(
        facts, emg[facts.muscles], bounds, _read_frame(folder, SIMULATED, facts),
        _read_frame(folder, MOTION, facts), measured,
    )  # fmt: skip


def read_facts(folder: Path) -> Facts:
    """Read result.json alone; raises as `read_result` does."""
    path = _path_within(folder, FACTS)
    if path.stat().st_size > LARGEST_FACTS:
        raise InputError(f"{path}: is too large for the facts of a result")
    try:
        facts = Facts.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{path}: {place[:100]}: {first['msg']}") from None
    with _name_file_in_error(path):
        _check_consistency(facts)
    return facts


def _check_consistency(facts: Facts) -> None:
    """Raise `ValueError` where parts of the facts disagree."""
    muscles = set(facts.muscles)
    if not muscles or len(muscles) < len(facts.muscles):
        raise ValueError("muscles are none, or there twice")
    if not facts.start < facts.end:
        raise ValueError("end is not after start")
    if any(not re.fullmatch("[0-9a-f]{64}", file.sha256) for file in facts.inputs.files.values()):
        raise ValueError("a sha256 is not one")
    if facts.marker_errors == {}:
        raise ValueError("marker_errors are of no marker")
    if facts.scores is not None and not set() < set(facts.scores.refined) <= muscles:
        raise ValueError("scores are of other muscles, or of none")
    if facts.scores is not None and set(facts.scores.refined) != set(facts.scores.simulated):
        raise ValueError("scores of the refined and the simulated are of different muscles")
    timing = facts.timing
    if timing is not None:
        if not timing.offsets or {len(row) for row in timing.attention} != {len(timing.offsets)}:
            raise ValueError("attention does not fit its offsets")
        if len(timing.attention) != 100:
            raise ValueError("attention is not of 100 phases")
        if any(later <= earlier for earlier, later in pairwise(timing.offsets)):
            raise ValueError("offsets do not rise")


@contextmanager
def _name_file_in_error(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _path_within(folder: Path, name: str) -> Path:
    path = folder / name
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (wanted as a result)")
    if not path.is_file():
        raise InputError(f"{folder}: no {name} in this folder; it is not the result of a trial")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: leads out of its folder")
    return path


def _read_frame(folder: Path, name: str, facts: Facts) -> pd.DataFrame:
    frame = read_storage(_path_within(folder, name))
    first, last = frame.index[0], frame.index[-1]
    if len(frame) < 2 or first < facts.start - TIME_TOLERANCE or last > facts.end + TIME_TOLERANCE:
        raise InputError(
            f"{folder / name}: covers {first:g}-{last:g} s, which is not the time of {FACTS},"
            f" {facts.start:g}-{facts.end:g} s"
        )
    return frame


def _require_columns(path: Path, frame: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if column not in frame.columns:
            raise InputError(f"{path}: no column '{column}', which {FACTS} names")
