"""A public set's own files, worked up to what a list of trials names: moments, envelopes, list."""

import csv
import io
import logging
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.datasets.registry import Dataset, Recorded
from nem2e_tf.errors import InputError
from nem2e_tf.files import (
    COLUMNS,
    check_folder,
    read_motion,
    read_storage,
    replacing,
    write_storage,
)
from nem2e_tf.signals import common_times, session
from nem2e_tf.simulation import Stages, inverse_dynamics, load_leg

LIST = "trials.csv"
MADE = "made"
"""Folder of worked-up files, within the set's."""

Files = dict[str, Path]
"""By column of the list, the file."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Listed:
    """The list of a set's trials.

    Args:
        path: of the list.
        rows: by column.
        missing: by file pattern, the trials that it is missing for.
        faults: by trial, what is wrong with its files.
        kept: whether somebody's own list was there, and was left as it is.
    """

    path: Path
    rows: list[dict[str, str]]
    missing: dict[str, list[str]]
    faults: dict[str, str]
    kept: bool


def list_trials(dataset: Dataset, folder: Path, stages: Stages) -> Listed:
    """Write the list of the trials whose files are all there, with what has to be made first.

    Joint moments that a set has not are worked out from its ground reaction forces, raw EMG
    becomes envelopes normalised over all of a person's trials, and EMG columns are given our names.
    The set's own files stay as they are. A trial that cannot be worked up is left out.

    Args:
        dataset: Dataset.
        folder: path. Where its files are.
        stages: callable. Opens a progress bar for each step.

    Raises:
        InputError: no trial has all its files, or none can be worked up.
    """
    people: dict[str, list[tuple[Recorded, Files]]] = {}
    missing: dict[str, list[str]] = {}
    faults: dict[str, str] = {}
    for recorded in dataset.recorded:
        try:
            files, absent = _files(folder, recorded)
        except InputError as error:
            faults[recorded.name] = str(error)
            continue
        for pattern in absent:
            missing.setdefault(pattern, []).append(recorded.name)
        if not absent:
            people.setdefault(recorded.subject, []).append((recorded, files))
    rows: list[dict[str, str]] = []
    with stages("working trials up") as progress:
        for done, whole in enumerate(people.values()):
            progress(done, len(people))
            _add_person(dataset, folder, whole, rows, faults)
    if not rows:
        if faults:
            raise InputError(next(iter(faults.values())))
        few = ", ".join(f"'{pattern}'" for pattern in list(missing)[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise InputError(f"{folder}: no trial has all its files; missing {few}{more}")
    return Listed(folder / LIST, rows, missing, faults, _write(folder / LIST, rows))


def _add_person(
    dataset: Dataset,
    folder: Path,
    whole: list[tuple[Recorded, Files]],
    rows: list[dict[str, str]],
    faults: dict[str, str],
) -> None:
    """A person's lines of the list, or what is wrong with their trials."""
    try:
        envelopes = _envelopes(dataset, folder, whole)
    except InputError as error:
        faults |= {recorded.name: str(error) for recorded, _ in whole}
        return
    for (recorded, files), emg in zip(whole, envelopes, strict=True):
        try:
            rows.append(_row(dataset, folder, recorded, files | {"emg": emg}))
        except InputError as error:
            faults[recorded.name] = str(error)


def _files(folder: Path, recorded: Recorded) -> tuple[Files, list[str]]:
    """The files of a trial, and the patterns that nothing fits."""
    root = folder.resolve()
    files, absent = {}, []
    for column, pattern in recorded.files.items():
        # A set, for a folder within one of the same name can be found twice.
        fitting = sorted({path for path in root.glob(pattern) if _counts(path, root)})
        if len(fitting) > 1:
            one, other = (path.relative_to(root) for path in fitting[:2])
            raise InputError(f"{folder}: both {one} and {other} fit '{pattern}'; move one away")
        if fitting:
            files[column] = fitting[0]
        else:
            absent.append(pattern)
    return files, absent


def _counts(path: Path, root: Path) -> bool:
    """Whether a path is one of the set's files."""
    # __MACOSX is what macOS puts into archives: other files of the same names.
    apart = {"__MACOSX", MADE} & set(path.relative_to(root).parts)
    return path.is_file() and path.resolve().is_relative_to(root) and not apart


def _envelopes(dataset: Dataset, folder: Path, whole: list[tuple[Recorded, Files]]) -> list[Path]:
    """The envelopes of a person's trials: as the set has them, or made."""
    columns = list(dataset.channels.values()) or None
    if dataset.raw:
        worked_up = session([files["emg"] for _, files in whole], channels=columns)
        frames = worked_up.trials
        for sentence in worked_up.faults:
            log.info("%s", sentence)
    elif dataset.channels:
        frames = {files["emg"]: read_storage(files["emg"]) for _, files in whole}
    else:
        return [files["emg"] for _, files in whole]
    ours = {theirs: f"{channel}_r" for channel, theirs in dataset.channels.items()}
    places = []
    for recorded, files in whole:
        frame = frames[files["emg"]]
        chosen = [column for column in frame.columns if not ours or column in ours]
        place = _made(folder, recorded, files, "emg.sto")
        write_storage(frame[chosen].rename(columns=ours), place, "EMG envelopes")
        places.append(place)
    return places


def _row(dataset: Dataset, folder: Path, recorded: Recorded, files: Files) -> dict[str, str]:
    """A trial's line of the list, over the time that all its files cover."""
    motion = read_motion(files["motion"], load_leg(files["model"], "r").rotations)
    sources = [files[column] for column in ("model", "motion", "loads") if column in files]
    if dataset.loads:
        files["loads"] = _loads(dataset, folder, recorded, files)
    if "moments" not in files:
        place = _made(folder, recorded, files, "id.sto")
        if not place.exists() or any(s.stat().st_mtime > place.stat().st_mtime for s in sources):
            moments = inverse_dynamics(files["model"], motion, files["loads"])
            write_storage(moments, place, "Inverse dynamics")
        files["moments"] = place
    frames = {str(files["motion"]): motion}
    frames |= {str(files[c]): read_storage(files[c]) for c in ("moments", "emg")}
    start, end = common_times(frames, recorded.start, recorded.end)
    root = folder.resolve()
    named = {c: path.resolve().relative_to(root).as_posix() for c, path in files.items()}
    row = {"subject": recorded.subject, "task": recorded.task, "loads": "", **named}
    return row | {"start": f"{start:.6g}", "end": f"{end:.6g}"}


def _loads(dataset: Dataset, folder: Path, recorded: Recorded, files: Files) -> Path:
    """ExternalLoads for a file of ground reaction forces."""
    import opensim

    place = _made(folder, recorded, files, "loads.xml")
    external = opensim.ExternalLoads()
    for body, stem in dataset.loads.items():
        force = opensim.ExternalForce()
        force.setName(body)
        force.set_applied_to_body(body)
        force.set_force_expressed_in_body("ground")
        force.set_point_expressed_in_body("ground")
        force.set_force_identifier(f"{stem}force_v")
        force.set_point_identifier(f"{stem}force_p")
        force.set_torque_identifier(f"{stem}torque_")
        external.cloneAndAppend(force)
    data = files["loads"].relative_to(folder.resolve())
    external.setDataFileName((Path("..") / data).as_posix())
    with replacing(place) as temporary:
        external.printToXML(str(temporary))
    return place


def _made(folder: Path, recorded: Recorded, files: Files, kind: str) -> Path:
    """Where a worked-up file goes."""
    made = check_folder(folder.resolve() / MADE)
    return made / f"{recorded.subject}-{files['motion'].stem}-{kind}"


def _write(path: Path, rows: list[dict[str, str]]) -> bool:
    """Write the list; True where somebody's own is there, which is left as it is."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    if path.exists() and path.read_text(encoding="utf-8") != text.getvalue():
        return True
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    return False
