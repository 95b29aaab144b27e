"""All trials of a study: the folder of a result for each, whatever becomes of the others."""

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
"""What is wrong with the folder rather than with the trial."""
FORBIDDEN = (
    r"^\.|^(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|\Z)).|[. ]\Z"
    r'|[%/\\:*?"<>|\x00-\x1f\x7f]'
)
"""What no folder's name may have on some system; Windows takes `con` and its like for devices."""


@dataclass(frozen=True)
class Settings:
    """What is the same for all trials.

    Args:
        refiner: as all here that is not told, see `nem2e_tf.study.Request`.
        report: name of the page in every trial's folder; empty for none.
    """

    refiner: str
    side: str = "r"
    solver: str = "static"
    paths: str = "exact"
    runtime: str = "keras"
    muscles: Path | None = None
    report: str = ""

    def request(self, trial: Trial) -> Request:
        """What to make of a trial: markers take the place of motion, loads that of moments."""
        raw = trial.motion.suffix.lower() in MARKERS
        if trial.moments is None and trial.loads is None:
            raise InputError(f"{trial.name}: has neither moments nor loads; estimating needs one")
        recording = Recording(
            motion=None if raw else trial.motion,
            markers=trial.motion if raw else None,
            moments=trial.moments,
            loads=trial.loads if trial.moments is None else None,
        )
        return Request(
            trial.model, recording, self.refiner, self.side, trial.start, trial.end,
            self.solver, self.paths, self.runtime, trial.emg, self.muscles,
        )  # fmt: skip


def trial_folder(trial: Trial) -> Path:
    """A trial's folder among the results: the subject's, and in it the trial's."""
    return Path(_safe_name(trial.subject), _safe_name(trial.label or trial.task))


def _safe_name(name: str) -> str:
    """A name that is one folder's on every system, and another for every other name."""
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
    """Estimate all trials, each in a folder of its own, or find that done.

    A result is found if it is whole and made of the very same files and settings; another one that
    is in its place is made again. A trial that cannot be estimated is told in its row.

    Args:
        trials: sequence of Trial, each with a label.
        folder: path. It is there, and nobody else writes into it.
        settings: Settings.
        jobs: int. Processes; -1 is one for every processor.
        begin: callable. Called before a process estimates.
        progress: callable or None. Called with trials done and trials in all.

    Returns:
        A row a trial, in their order.

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
        made, found = _estimate_or_read(settings.request(trial), result_folder, begin)
        if settings.report and not (result_folder / settings.report).exists():
            write_report(made, result_folder / settings.report)
        return Row.from_result(trial, trial_folder(trial).as_posix(), settings.report, made, found)
    except OSError as error:
        if error.errno in FOLDER_ERRORS:
            raise
        fault = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except Exception as error:  # whatever it is, the other trials are not concerned
        fault = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
    return _failed_row(trial, fault)


def _failed_row(trial: Trial, fault: str) -> Row:
    return Row(trial.subject, trial.task, trial.label, fault=" ".join(fault.split()))


def _estimate_or_read(
    request: Request, folder: Path, begin: Callable[[], object]
) -> tuple[Result, bool]:
    """The result, and whether it was there already."""
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
    made = estimate(request)
    if outdated:
        # In one step, so that a kill leaves a result or none.
        folder.replace(unfinished_path(folder))
        remove_path(unfinished_path(folder))
    write_result(made, folder)
    return made, False
