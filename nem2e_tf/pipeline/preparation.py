"""Simulating trials, pairing them with EMG and writing shards, in parallel processes."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from nem2e_tf import simulation
from nem2e_tf.errors import InputError, require
from nem2e_tf.files import Trial, check_folder, read_motion, read_storage
from nem2e_tf.pipeline.shards import Manifest, Pair, Shards, read_shard_info, write_shard
from nem2e_tf.processes import map_in_processes
from nem2e_tf.signals import (
    RATE,
    MuscleMap,
    combine,
    common_time_range,
    filters,
    low_pass,
    resample,
    time_grid,
)
from nem2e_tf.simulation import COORDINATES, CUTOFF, load_leg, simulate

BACKENDS = ("local", "dask")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Settings:
    """Settings that a shard depends on, beside the trial's files.

    Args:
        inputs: channels of simulated activity.
        outputs: channels of measured EMG.
        muscles: MuscleMap.
        paths: `exact` or `polynomial` muscle paths.
        model: 0 is the trial's own model, other numbers altered ones; see
            `nem2e_tf.simulation.model_variants`.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    muscles: MuscleMap
    paths: str = "exact"
    model: int = 0

    @classmethod
    def standard(cls, paths: str = "exact", model: int = 0) -> "Settings":
        """All channels of the package's own map, in and out."""
        muscles = MuscleMap.load()
        channels = tuple(muscles.channels)
        return cls(channels, channels, muscles, paths, model)

    def without_unmeasured(self, trials: Iterable[Trial]) -> "Settings":
        """The same without outputs of which no trial has EMG; as they are if none has any EMG."""
        measured = self.muscles.measured_channels_in(trial.emg for trial in trials if trial.emg)
        return replace(self, outputs=tuple(measured)) if measured else self


@dataclass(frozen=True)
class Prepared:
    """The result of preparing a list of trials.

    Args:
        shards: one for each trial, in the order of the trials.
        made: number of trials simulated now.
        found: number of trials whose shard existed.
        failed: by trial, the error.
    """

    shards: Shards
    made: int
    found: int
    failed: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """Plain tables and lists."""
        return {
            "folder": str(self.shards.folder),
            "made": self.made,
            "found": self.found,
            "skipped": self.failed,
            "shards": [shard.model_dump() for shard in self.shards.selected],
        }


def simulate_pair(trial: Trial, settings: Settings) -> Pair:
    """Simulate a trial and resample activity, EMG and joint angles to common times.

    The side is the one that the EMG was measured on.

    Raises:
        InputError: a file is missing or wrong.
    """
    if trial.moments is None or trial.emg is None:
        missing = "moments" if trial.moments is None else "emg"
        raise InputError(f"{trial.name}: has no {missing}; preparing needs it")
    muscles = settings.muscles
    envelopes = read_storage(trial.emg)
    side = muscles.find_side(settings.outputs, envelopes.columns)
    leg = load_leg(trial.model, side)
    motion = read_motion(trial.motion, leg.rotations)
    activity = simulate(
        leg, motion, read_storage(trial.moments), start=trial.start, end=trial.end,
        paths=settings.paths, variant=settings.model,
    )  # fmt: skip
    low, high = common_time_range(
        {str(trial.motion): activity, str(trial.emg): envelopes},
        max(trial.start, activity.index[0]),
        min(trial.end, activity.index[-1]),
    )
    times = time_grid(low, high)
    angles = low_pass(motion[list(leg.coordinates)], CUTOFF, str(trial.motion))
    angles = resample(angles, times)
    sources = ((activity, settings.inputs, trial.model), (envelopes, settings.outputs, trial.emg))
    simulated, measured = (
        resample(
            combine(frame, muscles.require_columns(channels, frame.columns, side, str(source))),
            times,
        )
        for frame, channels, source in sources
    )
    return Pair(
        trial.subject, trial.task, simulated, measured, angles.set_axis(COORDINATES, axis=1)
    )


def prepare(
    trials: Sequence[Trial],
    folder: Path,
    settings: Settings,
    *,
    jobs: int = -1,
    backend: str = "local",
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Simulate trials, pair them with their EMG and write each as a shard.

    A shard's name comes from the content of the trial's files, of the settings and of the code
    that simulates. An existing shard is not made again, so an interrupted run continues where it
    stopped. A trial that cannot be prepared is left out of the manifest and listed in the result.

    Args:
        trials: sequence of Trial.
        folder: path. Created if missing.
        settings: Settings.
        jobs: int. Number of processes; -1: one for every processor.
        backend: `local`, processes on this machine, or `dask`, the workers of a scheduler, which
            need the trials' files under the same paths.
        scheduler: address of the Dask scheduler, `tcp://host:port`.
        progress: callable or None. Called with trials done and trials in all.

    Raises:
        InputError: the folder cannot be written, or there is no scheduler at the address.
    """
    check_folder(folder)
    files = [folder / f"{_shard_name(trial, settings)}.tfrecord" for trial in trials]
    shards = {i: shard for i, file in enumerate(files) if (shard := read_shard_info(file))}
    pending = {i: trial for i, trial in enumerate(trials) if i not in shards}
    existing, failed = len(shards), dict[int, str]()
    if progress is not None:
        progress(existing, len(trials))
    for i, result in _run_parallel(pending, settings, jobs, backend, scheduler):
        if isinstance(result, str):
            failed[i] = result
        else:
            write_shard(result, files[i])
            shard = read_shard_info(files[i])
            assert shard is not None
            shards[i] = shard
        if progress is not None:
            progress(len(shards) + len(failed), len(trials))
    manifest = Manifest(
        rate=RATE,
        simulated=list(settings.inputs),
        measured=list(settings.outputs),
        angles=list(COORDINATES),
        shards=[shards[i] for i in sorted(shards)],
    )
    manifest.write(folder)
    return Prepared(
        Shards(folder, manifest, tuple(manifest.shards)),
        made=len(shards) - existing,
        found=existing,
        failed={f"{trials[i].name}, {trials[i].motion}": failed[i] for i in sorted(failed)},
    )


def _run_parallel(
    pending: dict[int, Trial], settings: Settings, jobs: int, backend: str, scheduler: str | None
) -> Iterator[tuple[int, Pair | str]]:
    """Number of each trial with its pair or error message, in order of completion."""
    if pending:
        with _use_backend(backend, scheduler):
            yield from map_in_processes(partial(_try_trial, settings=settings), pending, jobs)


def _try_trial(trial: Trial, settings: Settings) -> Pair | str:
    try:
        return simulate_pair(trial, settings)
    except (InputError, OSError, RuntimeError) as error:
        return " ".join(str(error).split())


@contextmanager
def _use_backend(backend: str, scheduler: str | None) -> Iterator[None]:
    if backend == "local":
        yield
        return
    if backend != "dask":
        raise InputError(f"there is no backend '{backend}'; there are {' and '.join(BACKENDS)}")
    if scheduler is None:
        raise InputError("the backend 'dask' needs the address of a scheduler: --scheduler ADDRESS")
    require("distributed", extra="dask")
    from distributed import Client
    from joblib import parallel_config

    try:
        client = Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler}: {error}") from None
    with client, parallel_config(backend="dask"):
        yield


def _shard_name(trial: Trial, settings: Settings) -> str:
    """Name of a trial's shard: a hash of everything that its content depends on."""
    code = [*sorted(Path(simulation.__file__).parent.glob("*.py")), Path(filters.__file__)]
    files = [trial.model, trial.motion, trial.moments, trial.emg, Path(__file__), *code]
    parts: list[object] = [trial.subject, trial.task, trial.start, trial.end, asdict(settings)]
    parts += [_digest(file) for file in files if file is not None]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:20]


@lru_cache(maxsize=1024)
def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
