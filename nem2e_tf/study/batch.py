"""Estimating all trials of a study: a result folder for each, independent of the others."""

import errno
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.files import (
    Trial,
    check_folder,
    check_new_folder,
    remove_path,
    remove_unfinished,
    unfinished_path,
)
from nem2e_tf.pipeline import Progress
from nem2e_tf.processes import map_in_own_processes
from nem2e_tf.report import FACTS, Result, read_result, write_report, write_result
from nem2e_tf.simulation import Recording
from nem2e_tf.study.estimation import estimate
from nem2e_tf.study.request import Request
from nem2e_tf.study.summary import Row

MARKERS = (".trc", ".c3d")
FOLDER_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of the output folder rather than of a trial."""
FORBIDDEN = (
    r"^\.|^(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)).|[. ]\Z"
    r'|[%/\\:*?"<>|\x00-\x1f\x7f]'
)
"""Parts that a folder's name cannot have everywhere; Windows reserves `con`, `nul` and others."""


@dataclass(frozen=True)
class Settings:
    """Settings of all trials; `side`, `ik_tasks` and `up` are of those whose list has none.

    Args:
        refiner: see `nem2e_tf.study.Request`, also for the others.
        report: name of the page in every trial's folder; empty for none.
        ik_tasks: OpenSim IKTaskSet (.xml) for trials with markers, or None.
        up: axis of a .c3d that points up, or None.
    """

    refiner: str
    side: str = "r"
    solver: str = "static"
    paths: str = "exact"
    runtime: str = "keras"
    muscles: Path | None = None
    report: str = ""
    ik_tasks: Path | None = None
    up: str | None = None

    def request(self, trial: Trial) -> Request:
        """Request for a trial. A file of markers replaces motion; loads replace moments."""
        raw = trial.motion.suffix.lower() in MARKERS
        if trial.moments is None and trial.loads is None:
            raise InputError(f"{trial.name}: has neither moments nor loads; estimating needs one")
        recording = Recording(
            motion=None if raw else trial.motion,
            markers=trial.motion if raw else None,
            moments=trial.moments,
            loads=trial.loads if trial.moments is None else None,
            tasks=trial.ik_tasks or (self.ik_tasks if raw else None),
            up=trial.up or self.up,
        )
        return Request(
            trial.model, recording, self.refiner, trial.side or self.side, trial.start, trial.end,
            self.solver, self.paths, self.runtime, trial.emg, self.muscles,
        )  # fmt: skip


def trial_folder(trial: Trial) -> Path:
    """Relative path of a trial's result: a folder of the subject, in it one of the trial."""
    return Path(_safe_name(trial.subject), _safe_name(trial.label or trial.task))


def _safe_name(name: str) -> str:
    """A name that is valid for a folder on every system, different for every name."""
    return re.sub(FORBIDDEN, lambda found: f"%{ord(found[0]):02X}", name, flags=re.IGNORECASE)


def estimate_all(
    trials: Sequence[Trial],
    folder: Path,
    settings: Settings,
    *,
    jobs: int = -1,
    begin: Callable[[], object] = dict,
    progress: Progress | None = None,
) -> list[Row]:
    """Estimate all trials, each into its own folder.

    An existing result is kept if it is whole and was made from the same files and settings; else it
    is replaced. If a trial cannot be estimated, its row has the error.

    Args:
        trials: sequence of Trial, each with a label.
        folder: path. Exists, and no other process writes into it.
        settings: Settings.
        jobs: int. Number of processes; -1: one for every processor.
        begin: callable. Called in a process before it estimates.
        progress: callable or None. Called with trials done and trials in all.

    Returns:
        A row for each trial, in the order of the trials.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    for result_folder in {(folder / trial_folder(trial)).parent for trial in trials}:
        remove_unfinished(check_folder(result_folder))
    rows: dict[int, Row] = {}
    items = dict(enumerate(trials))
    work = partial(_try_trial, folder=folder, settings=settings, begin=begin)
    for number, row in map_in_own_processes(work, items, jobs):
        rows[number] = row or _failed_row(trials[number], "its process died, as for want of memory")
        if progress is not None:
            progress(len(rows), len(trials))
    return [rows[number] for number in items]


def _try_trial(trial: Trial, folder: Path, settings: Settings, begin: Callable[[], object]) -> Row:
    try:
        result_folder = folder / trial_folder(trial)
        result, found = _estimate_or_read(settings.request(trial), result_folder, begin)
        if settings.report and not (result_folder / settings.report).exists():
            write_report(result, result_folder / settings.report)
        return Row.from_result(
            trial, trial_folder(trial).as_posix(), settings.report, result, found
        )
    except OSError as error:
        if error.errno in FOLDER_ERRORS:
            raise
        fault = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except Exception as error:  # any error concerns this trial only
        fault = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return _failed_row(trial, fault)


def _failed_row(trial: Trial, fault: str) -> Row:
    return Row(trial.subject, trial.task, trial.label, fault=" ".join(fault.split()))


def _estimate_or_read(
    request: Request, folder: Path, begin: Callable[[], object]
) -> tuple[Result, bool]:
    """The result, and whether it existed already."""
    inputs = request.inputs()
    outdated = (folder / FACTS).is_file()
    if outdated:
        try:
            existing = read_result(folder)
            if existing.facts.inputs.first_difference(inputs) is None:
                return existing, True
        except InputError:
            pass  # damaged: made again
    else:
        check_new_folder(folder)
    begin()
    result = estimate(request)
    if outdated:
        # In one step, so that a kill leaves a result or none.
        folder.replace(unfinished_path(folder))
        remove_path(unfinished_path(folder))
    write_result(result, folder)
    return result, False
