"""Conversion of a public set's files: joint moments, EMG envelopes and the list of trials."""

import csv
import io
import logging
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.datasets.registry import Dataset, RecordedTrial
from nem2e_tf.errors import InputError
from nem2e_tf.files import (
    COLUMNS,
    check_folder,
    read_motion,
    read_storage,
    replace_file,
    write_storage,
)
from nem2e_tf.signals import common_time_range, process_session
from nem2e_tf.simulation import Stages, inverse_dynamics, load_leg

LIST = "trials.csv"
CONVERTED = "made"
"""Folder of converted files, within the set's folder."""

TrialFiles = dict[str, Path]
"""Path of the file, by column of the list."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialList:
    """The list of a set's trials.

    Args:
        path: of the list.
        rows: by column.
        missing: by file pattern, the trials that it is missing for.
        faults: by trial, what is wrong with its files.
        has_own_list: whether somebody's own list was there, and was left as it is.
    """

    path: Path
    rows: list[dict[str, str]]
    missing: dict[str, list[str]]
    faults: dict[str, str]
    has_own_list: bool


def write_trial_list(dataset: Dataset, folder: Path, stages: Stages) -> TrialList:
    """Convert the files of the trials that are complete, and write their list.

    Joint moments that a set lacks are computed from its ground reaction forces, raw EMG becomes
    envelopes normalised over all of a person's trials, and EMG columns get our names. The set's own
    files are not changed. A trial whose files cannot be converted is left out.

    Args:
        dataset: Dataset.
        folder: path. The folder of its files.
        stages: callable. Opens a progress bar for each step.

    Raises:
        InputError: no trial has all its files, or none can be converted.
    """
    people: dict[str, list[tuple[RecordedTrial, TrialFiles]]] = {}
    missing: dict[str, list[str]] = {}
    faults: dict[str, str] = {}
    for recorded in dataset.recorded_trials:
        try:
            files, unmatched = _find_files(folder, recorded)
        except InputError as error:
            faults[recorded.name] = str(error)
            continue
        for pattern in unmatched:
            missing.setdefault(pattern, []).append(recorded.name)
        if not unmatched:
            people.setdefault(recorded.subject, []).append((recorded, files))
    rows: list[dict[str, str]] = []
    with stages("working trials up") as progress:
        for done, trials in enumerate(people.values()):
            progress(done, len(people))
            _add_person(dataset, folder, trials, rows, faults)
    if not rows:
        if faults:
            raise InputError(next(iter(faults.values())))
        few = ", ".join(f"'{pattern}'" for pattern in list(missing)[:4])
        more = f" and {len(missing) - 4} more" if len(missing) > 4 else ""
        raise InputError(f"{folder}: no trial has all its files; missing {few}{more}")
    return TrialList(folder / LIST, rows, missing, faults, _write_list(folder / LIST, rows))


def _add_person(
    dataset: Dataset,
    folder: Path,
    trials: list[tuple[RecordedTrial, TrialFiles]],
    rows: list[dict[str, str]],
    faults: dict[str, str],
) -> None:
    """Add a person's lines to the list, or the faults of their trials."""
    try:
        envelopes = _convert_envelopes(dataset, folder, trials)
    except InputError as error:
        faults |= {recorded.name: str(error) for recorded, _ in trials}
        return
    for (recorded, files), emg in zip(trials, envelopes, strict=True):
        try:
            rows.append(_trial_row(dataset, folder, recorded, files | {"emg": emg}))
        except InputError as error:
            faults[recorded.name] = str(error)


def _find_files(folder: Path, recorded: RecordedTrial) -> tuple[TrialFiles, list[str]]:
    """The files of a trial, and the patterns that match no file."""
    root = folder.resolve()
    files, unmatched = {}, []
    for column, pattern in recorded.files.items():
        # A set, because a path can be found twice where a folder is in one of the same name.
        matches = sorted({path for path in root.glob(pattern) if _is_dataset_file(path, root)})
        if len(matches) > 1:
            one, other = (path.relative_to(root) for path in matches[:2])
            raise InputError(f"{folder}: both {one} and {other} fit '{pattern}'; move one away")
        if matches:
            files[column] = matches[0]
        else:
            unmatched.append(pattern)
    return files, unmatched


def _is_dataset_file(path: Path, root: Path) -> bool:
    """Whether a path is one of the set's files."""
    # macOS adds a folder __MACOSX to archives, with other files of the same names.
    other_folders = {"__MACOSX", CONVERTED} & set(path.relative_to(root).parts)
    return path.is_file() and path.resolve().is_relative_to(root) and not other_folders


def _convert_envelopes(
    dataset: Dataset, folder: Path, trials: list[tuple[RecordedTrial, TrialFiles]]
) -> list[Path]:
    """The files of envelopes of a person's trials; they are written unless the set has them."""
    columns = list(dataset.channels.values()) or None
    if dataset.raw:
        recordings = process_session([files["emg"] for _, files in trials], channels=columns)
        frames = recordings.trials
        for sentence in recordings.faults:
            log.info("%s", sentence)
    elif dataset.channels:
        frames = {files["emg"]: read_storage(files["emg"]) for _, files in trials}
    else:
        return [files["emg"] for _, files in trials]
    channel_names = {theirs: f"{channel}_r" for channel, theirs in dataset.channels.items()}
    paths = []
    for recorded, files in trials:
        frame = frames[files["emg"]]
        chosen = [
            column for column in frame.columns if not channel_names or column in channel_names
        ]
        path = _converted_path(folder, recorded, files, "emg.sto")
        write_storage(frame[chosen].rename(columns=channel_names), path, "EMG envelopes")
        paths.append(path)
    return paths


def _trial_row(
    dataset: Dataset, folder: Path, recorded: RecordedTrial, files: TrialFiles
) -> dict[str, str]:
    """A trial's line of the list, over the time that all its files cover."""
    motion = read_motion(files["motion"], load_leg(files["model"], "r").rotations)
    sources = [files[column] for column in ("model", "motion", "loads") if column in files]
    if dataset.loads:
        files["loads"] = _write_external_loads(dataset, folder, recorded, files)
    if "moments" not in files:
        path = _converted_path(folder, recorded, files, "id.sto")
        if not path.exists() or any(s.stat().st_mtime > path.stat().st_mtime for s in sources):
            moments = inverse_dynamics(files["model"], motion, files["loads"])
            write_storage(moments, path, "Inverse dynamics")
        files["moments"] = path
    frames = {str(files["motion"]): motion}
    frames |= {str(files[c]): read_storage(files[c]) for c in ("moments", "emg")}
    start, end = common_time_range(frames, recorded.start, recorded.end)
    root = folder.resolve()
    named = {c: path.resolve().relative_to(root).as_posix() for c, path in files.items()}
    row = {"subject": recorded.subject, "task": recorded.task, "loads": "", **named}
    return row | {"start": f"{start:.6g}", "end": f"{end:.6g}"}


def _write_external_loads(
    dataset: Dataset, folder: Path, recorded: RecordedTrial, files: TrialFiles
) -> Path:
    """Write ExternalLoads for a file of ground reaction forces."""
    import opensim

    path = _converted_path(folder, recorded, files, "loads.xml")
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
    with replace_file(path) as temporary:
        external.printToXML(str(temporary))
    return path


def _converted_path(folder: Path, recorded: RecordedTrial, files: TrialFiles, kind: str) -> Path:
    """The path of a converted file."""
    converted = check_folder(folder.resolve() / CONVERTED)
    return converted / f"{recorded.subject}-{files['motion'].stem}-{kind}"


def _write_list(path: Path, rows: list[dict[str, str]]) -> bool:
    """Write the list, unless an edited one exists, which is kept; True in that case."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    if path.exists() and path.read_text(encoding="utf-8") != text.getvalue():
        return True
    with replace_file(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8", newline="\n")
    return False
