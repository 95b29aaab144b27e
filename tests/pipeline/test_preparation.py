"""Trials of a study, simulated and written as shards."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import COLUMNS, Trial, read_storage, read_trials
from nem2e_tf.pipeline import Shards
from nem2e_tf.pipeline.preparation import Settings, prepare, simulate_pair
from tests import command

Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def study(lower_limb: Path, tmp_path: Path) -> Path:
    """A list of four short trials of real walking and running."""
    rows = [
        {
            "subject": "06", "task": task, "model": "gait2392.osim", "motion": f"{trial}/ik.sto",
            "moments": f"{trial}/id.sto", "emg": f"{trial}/emgFilt.sto",
            "start": start, "end": start + 0.5,
        }
        for task, trial in (("walking", "walk45"), ("running", "run81"))
        for start in (5, 8)
    ]  # fmt: skip
    path = tmp_path / "trials.csv"
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path


@pytest.fixture
def trials(study: Path, lower_limb: Path) -> list[Trial]:
    return read_trials(study, lower_limb)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_recording_holds_simulation_emg_and_angles_on_one_clock(trials: list[Trial]) -> None:
    made = simulate_pair(trials[0], Settings.standard())
    assert len(made.simulated) == len(made.measured) == len(made.angles) == 51
    for series in (made.measured, made.angles):
        np.testing.assert_array_equal(made.simulated.index, series.index)
    assert trials[0].emg is not None
    emg = read_storage(trials[0].emg).loc[4.995:5.505]
    np.testing.assert_allclose(made.measured["tibialis_anterior"], emg["tib_ant_r"], atol=1e-9)
    motion = np.deg2rad(read_storage(trials[0].motion).loc[4.995:5.505, "knee_angle_r"])
    np.testing.assert_allclose(made.angles["knee_angle"], motion, atol=0.03)


def test_the_number_of_processes_does_not_change_a_byte(
    trials: list[Trial], tmp_path: Path
) -> None:
    prepare(trials, tmp_path / "one", Settings.standard(), jobs=1)
    prepare(trials, tmp_path / "two", Settings.standard(), jobs=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_what_is_prepared_is_not_made_again_and_what_changed_is(
    trials: list[Trial], tmp_path: Path
) -> None:
    folder = tmp_path / "shards"
    first = prepare(trials[:2], folder, Settings.standard(), jobs=1)
    assert (first.made, first.found) == (2, 0)
    again = prepare(trials[:3], folder, Settings.standard(), jobs=1)
    assert (again.made, again.found) == (1, 2)
    (folder / again.shards.selected[0].file).write_bytes(b"cut short")
    mended = prepare(trials[:3], folder, Settings.standard(), jobs=1)
    assert (mended.made, mended.found) == (1, 2)
    assert [r.name for r in Shards.open(folder).pairs()] == ["06 walking"] * 2 + ["06 running"]


def test_a_bad_trial_is_skipped_told_and_changes_the_exit_status(
    study: Path, lower_limb: Path, tmp_path: Path
) -> None:
    table = pd.read_csv(study, dtype=str, keep_default_na=False)
    table.loc[1, "end"] = "90"
    table.to_csv(study, index=False)
    result = command.run(
        "prepare", study, "-o", tmp_path / "shards", "--data", lower_limb, "--jobs", 1, "--json"
    )
    assert result.returncode == 1, result.stderr
    report = json.loads(result.stdout)
    assert report["made"] == 3 and len(report["skipped"]) == 1
    (fault,) = report["skipped"].values()
    assert "8-90 s" in fault and "outside" in fault
    assert "skipped 06 walking" in result.stderr
    assert len(list(Shards.open(tmp_path / "shards").pairs())) == 3


def test_a_folder_that_was_not_prepared_is_refused(tmp_path: Path, refused: Refused) -> None:
    with refused(tmp_path, "nem2e prepare"):
        Shards.open(tmp_path)


def test_a_manifest_cannot_name_files_elsewhere(
    trials: list[Trial], tmp_path: Path, refused: Refused
) -> None:
    prepare(trials[:1], tmp_path / "shards", Settings.standard(), jobs=1)
    manifest = tmp_path / "shards" / "manifest.json"
    table = json.loads(manifest.read_text())
    table["shards"][0]["file"] = "../secret.tfrecord"
    manifest.write_text(json.dumps(table))
    with refused(manifest, "shards.0.file"):
        Shards.open(tmp_path / "shards")


def test_a_scheduler_that_is_not_there_is_told_in_one_line(
    trials: list[Trial], tmp_path: Path, refused: Refused
) -> None:
    pytest.importorskip("distributed")
    with refused("no Dask scheduler", "tcp://127.0.0.1:9"):
        prepare(
            trials[:1], tmp_path / "s", Settings.standard(),
            backend="dask", scheduler="tcp://127.0.0.1:9",
        )  # fmt: skip
    with refused("--scheduler"):
        prepare(trials[:1], tmp_path / "s", Settings.standard(), backend="dask")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A Dask scheduler and two workers on loopback, each a process of its own."""
    pytest.importorskip("distributed")
    file = tmp_path / "scheduler.json"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    run = [sys.executable, "-m", "distributed.cli"]
    scheduler = subprocess.Popen(
        [*run[:2], "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
         "--no-dashboard", "--scheduler-file", str(file)],
        **quiet,  # type: ignore[call-overload]
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [
        subprocess.Popen(
            [*run[:2], "distributed.cli.dask_worker", "--scheduler-file", str(file),
             "--nthreads", "1", "--no-nanny", "--no-dashboard"],
            **quiet,  # type: ignore[call-overload]
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_a_dask_worker_killed_in_the_middle_loses_nothing(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], trials: list[Trial], tmp_path: Path
) -> None:
    address, workers = cluster

    def kill_one(done: int, total: int) -> None:
        if done >= 1 and workers[0].poll() is None:
            workers[0].kill()

    prepared = prepare(
        trials, tmp_path / "dask", Settings.standard(),
        backend="dask", scheduler=address, progress=kill_one,
    )  # fmt: skip
    assert workers[0].poll() is not None and workers[1].poll() is None
    assert prepared.made == len(trials) and not prepared.failed
    prepare(trials, tmp_path / "local", Settings.standard(), jobs=1)
    assert content(tmp_path / "dask") == content(tmp_path / "local")
