"""The result of one trial: a folder that says what came in, what came out, and how far to trust it.

    emg.sto         envelopes, and the bounds of their interval where the refiner has one
    simulated.sto   simulated activity of all muscles of the leg, and reserve moments in N m
    motion.sto      all coordinates, radians and metres, before the simulation's low-pass
    measured.sto    measured envelopes, where there are any, under the names of the refined ones
    result.json     everything else: `nem2e_tf.report.Facts`

Time is that of the recording, in seconds, and the rate that of the facts.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from nem2e_tf.errors import InputError
from nem2e_tf.files import check_new_folder, new_folder, read_storage, write_storage
from nem2e_tf.report.facts import Facts, Inputs

FACTS = "result.json"
EMG, SIMULATED, MOTION, MEASURED = "emg.sto", "simulated.sto", "motion.sto", "measured.sto"
ON_TIME = 0.1
"""Seconds by which a file's time may differ from that of the facts, as rates differ."""
LARGEST_FACTS = 20_000_000
"""Bytes. A result.json of an hour has less than one megabyte."""


@dataclass(frozen=True)
class Result:
    """The result of one trial.

    Args:
        facts: Facts.
        refined: `(frames, muscles)`, envelopes.
        bounds: `(frames, 2 * muscles)`, `<muscle>_lower` and `<muscle>_upper`; no columns where
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


def holds(folder: Path, inputs: Inputs) -> bool:
    """Whether a folder holds the result of these inputs already; False if it is free.

    Raises:
        InputError: something else is there.
    """
    if not (folder / FACTS).is_file():
        check_new_folder(folder)
        return False
    other = read_facts(folder).inputs.unlike(inputs)
    if other is not None:
        raise InputError(
            f"{folder}: holds a result with another '{other}'; name another folder, or remove it"
        )
    return True


def write(result: Result, folder: Path) -> None:
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
    with new_folder(folder) as whole:
        for file, (frame, title) in frames.items():
            write_storage(frame, whole / file, f"{title} of {name}")
        text = facts.model_dump_json(indent=1)
        (whole / FACTS).write_text(text + "\n", encoding="utf-8", newline="\n")


def read(folder: Path) -> Result:
    """Read a result's folder, which may be anyone's.

    Raises:
        InputError: it is not a result, a file of it is missing, wrong, or a link out of it.
    """
    facts = read_facts(folder)
    emg = _storage(folder, EMG, facts)
    _require(folder / EMG, emg, facts.muscles)
    edges = [f"{muscle}_{edge}" for muscle in facts.muscles for edge in ("lower", "upper")]
    bounds = emg[edges] if set(edges) <= set(emg.columns) else emg[[]]
    measured = None
    if facts.scores is not None:
        measured = _storage(folder, MEASURED, facts)
        _require(folder / MEASURED, measured, list(facts.scores.refined))
    return Result(
        facts, emg[facts.muscles], bounds, _storage(folder, SIMULATED, facts),
        _storage(folder, MOTION, facts), measured,
    )  # fmt: skip


def read_facts(folder: Path) -> Facts:
    """Read result.json alone; raises as `read` does."""
    path = _within(folder, FACTS)
    if path.stat().st_size > LARGEST_FACTS:
        raise InputError(f"{path}: is too large for the facts of a result")
    try:
        facts = Facts.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{path}: {place[:100]}: {first['msg']}") from None
    with _told(path):
        _check(facts)
    return facts


def _check(facts: Facts) -> None:
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
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _within(folder: Path, name: str) -> Path:
    path = folder / name
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (wanted as a result)")
    if not path.is_file():
        raise InputError(f"{folder}: no {name} in this folder; it is not the result of a trial")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: leads out of its folder")
    return path


def _storage(folder: Path, name: str, facts: Facts) -> pd.DataFrame:
    frame = read_storage(_within(folder, name))
    first, last = frame.index[0], frame.index[-1]
    if len(frame) < 2 or first < facts.start - ON_TIME or last > facts.end + ON_TIME:
        raise InputError(
            f"{folder / name}: covers {first:g}-{last:g} s, which is not the time of {FACTS},"
            f" {facts.start:g}-{facts.end:g} s"
        )
    return frame


def _require(path: Path, frame: pd.DataFrame, columns: list[str]) -> None:
    for column in columns:
        if column not in frame.columns:
            raise InputError(f"{path}: no column '{column}', which {FACTS} names")
