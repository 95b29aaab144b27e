"""A public set of recordings, fetched or read from a folder, with its list of trials."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nem2e_tf.datasets.conversion import write_trial_list
from nem2e_tf.datasets.download import download
from nem2e_tf.datasets.registry import Dataset
from nem2e_tf.errors import InputError
from nem2e_tf.files import check_folder
from nem2e_tf.simulation import Stages, cache_folder


@dataclass(frozen=True)
class FetchResult:
    """The result of fetching a set.

    Args:
        folder: of the set.
        trials_csv: its list of trials.
        trials: number of trials in the list.
        subjects: number of people in the list.
        downloaded: number of files fetched by this call.
        found: number of files that were complete before.
        missing: by file pattern, the trials that it is missing for.
        faults: by trial, what is wrong with its files.
        kept: whether an edited list existed and was kept.
    """

    folder: Path
    trials_csv: Path
    trials: int
    subjects: int
    downloaded: int
    found: int
    missing: dict[str, list[str]]
    faults: dict[str, str]
    kept: bool

    def warnings(self) -> list[str]:
        """What was left out or kept, a line each."""
        messages = [
            f"{len(trials)} trial{'s' if len(trials) > 1 else ''} left out, no '{pattern}': "
            + ", ".join(trials)
            for pattern, trials in self.missing.items()
        ]
        messages += [f"{trial} left out: {fault}" for trial, fault in self.faults.items()]
        if self.kept:
            messages.append(
                f"{self.trials_csv}: was there and is another; kept, remove it to have it anew"
            )
        return messages

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return vars(self) | {"folder": str(self.folder), "trials_csv": str(self.trials_csv)}


def default_folder() -> Path:
    """The folder of sets where none is given: `data` in the folder of caches."""
    return cache_folder() / "data"


def fetch(
    dataset: Dataset, folder: Path, *, mirror: str | None = None, stages: Stages | None = None
) -> FetchResult:
    """Fetch what a folder lacks of a set, and write the list of its trials there.

    A set that needs a log-in is only read, from the folder where a person unpacked it.

    Args:
        dataset: Dataset.
        folder: path. The set's own folder, made if it is not there.
        mirror: str or None. The address of the files, in place of the set's.
        stages: callable or None. Opens a progress bar for each step.

    Returns:
        Fetched. Its `trials_csv` is what `nem2e prepare` takes; converted files are in `made/`.

    Raises:
        InputError: no connection, a file that is not the published one, no trial that can be used.
    """
    stages = stages or (lambda what: nullcontext(lambda done, total: None))
    downloaded = 0
    if dataset.log_in is None:
        check_folder(folder)
        with stages("fetching, kB") as progress:
            downloaded = download(dataset, folder, mirror, progress)
    elif not folder.is_dir():
        raise InputError(f"{folder}: no such folder; it is to hold what you downloaded")
    trial_list = write_trial_list(dataset, folder, stages)
    return FetchResult(
        folder=folder,
        trials_csv=trial_list.path,
        trials=len(trial_list.rows),
        subjects=len({row["subject"] for row in trial_list.rows}),
        downloaded=downloaded,
        found=len(dataset.files) - downloaded,
        missing=trial_list.missing,
        faults=trial_list.faults,
        kept=trial_list.has_own_list,
    )
