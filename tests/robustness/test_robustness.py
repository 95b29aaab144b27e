"""Full disks, folders that are read only, killed processes, two runs at one place."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.files import check_folder, create_folder, replace_file, write_storage
from nem2e_tf.files.locks import LOCK_PREFIX, UNFINISHED_PREFIX, exclusive_lock
from nem2e_tf.pipeline.shards import Pair, write_shard
from nem2e_tf.processes import ITEMS_PER_PROCESS, map_in_own_processes
from nem2e_tf.refiner import load, save
from tests.repository import NEM2E, ROOT
from tests.robustness.kill import Command, kill
from tests.robustness.work import process_id, square_or_die

Refused = Callable[..., AbstractContextManager[None]]


def mount(folder: Path, *arguments: str) -> None:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one megabyte."""
    folder = tmp_path / "disk"
    mount(folder, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder that even root cannot write into."""
    (tmp_path / "source").mkdir()
    folder = tmp_path / "read only"
    mount(folder, "--bind", str(tmp_path / "source"))
    subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> None:
    """Leave so many bytes."""
    state = os.statvfs(disk)
    (disk / "filler").write_bytes(bytes(state.f_bavail * state.f_frsize - left))


def frame(rows: int) -> pd.DataFrame:
    values = np.random.default_rng(1).random((rows, 9))
    index = pd.Index(np.arange(rows) / 100.0, name="time")
    return pd.DataFrame(values, index=index, columns=[f"muscle_{i}" for i in range(9)])


def storage(path: Path) -> None:
    write_storage(frame(200), path.with_suffix(".sto"), "test")


def shard(path: Path) -> None:
    frames = frame(300)
    write_shard(Pair("s", "walking", frames, frames, frames), path.with_suffix(".tfrecord"))


@pytest.mark.parametrize(("write", "suffix"), [(storage, ".sto"), (shard, ".tfrecord")])
def test_a_full_disk_is_told_by_the_file_and_the_former_one_stays(
    write: Callable[[Path], None], suffix: str, disk: Path
) -> None:
    path = disk / f"result{suffix}"
    path.write_text("former")
    fill(disk, 4096)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert path.read_text() == "former"
    assert {file.name for file in disk.iterdir()} == {path.name, "filler"}


def test_a_refiner_that_a_full_disk_does_not_take_leaves_nothing(disk: Path) -> None:
    refiner = load("walking")
    fill(disk, 100_000)
    with pytest.raises(OSError, match="No space left on device") as caught:
        save(refiner, disk / "mine")
    assert caught.value.filename == str(disk / "mine" / "refiner.keras")
    assert {file.name for file in disk.iterdir()} == {"filler"}


@pytest.mark.slow
def test_a_full_disk_ends_a_command_in_one_line_and_status_2(disk: Path) -> None:
    fill(disk, 40_000)
    done = subprocess.run(
        [str(NEM2E), "cohort", "-o", str(disk / "people"), "--subjects", "1", "--strides", "3",
         "--jobs", "1"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and str(disk / "people") in line and "leg.osim" in line


def test_a_folder_that_is_read_only_is_refused_before_work_begins(
    read_only: Path, refused: Refused
) -> None:
    with refused(read_only, "cannot be written to"):
        check_folder(read_only)
    with refused(read_only, "Read-only file system"):
        check_folder(read_only / "within")
    with refused(read_only, "cannot be written to"), create_folder(read_only / "refiner"):
        raise AssertionError
    with pytest.raises(OSError, match="Read-only file system") as caught:
        storage(read_only / "x.sto")
    assert caught.value.filename == str(read_only / "x.sto")


SAVE = "import sys; from nem2e_tf.refiner import load, save; save(load(sys.argv[1]), sys.argv[2])"


def test_another_process_saves_the_same_network_as_the_same_bytes(tmp_path: Path) -> None:
    refiner = load("walking")
    save(refiner, tmp_path / "one")
    other = [sys.executable, "-c", SAVE, "walking", str(tmp_path / "other")]
    subprocess.run(other, cwd=ROOT, check=True, capture_output=True)
    one, another = ((tmp_path / name / "refiner.keras").read_bytes() for name in ("one", "other"))
    assert one == another
    np.testing.assert_array_equal(
        load(tmp_path / "one").refine(frame_of_muscles()), refiner.refine(frame_of_muscles())
    )


def frame_of_muscles() -> pd.DataFrame:
    channels = load("walking").card.inputs
    return frame(100).set_axis(channels, axis=1)


def test_writers_of_one_file_take_turns_and_leave_it_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.txt"
    written = [
        f"{letter}" * length for letter, length in zip("abcd", (10, 40_000, 1, 7), strict=True)
    ]

    def write(text: str) -> None:
        for _ in range(40):
            with replace_file(path) as temporary, temporary.open("w") as file:
                for start in range(0, len(text), 1000):
                    file.write(text[start : start + 1000])
                    file.flush()

    writers = [threading.Thread(target=write, args=(text,)) for text in written]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        with suppress(FileNotFoundError):
            assert path.read_text() in written
    assert path.read_text() in written
    assert [file.name for file in tmp_path.iterdir()] == ["result.txt"]


HOLD = """
import sys, time
from pathlib import Path
from nem2e_tf.files import exclusive_lock, replace_file
folder = Path(sys.argv[1])
with exclusive_lock(folder), replace_file(folder / "large.txt") as temporary:
    temporary.write_text("half")
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
    temporary.write_text("whole")
"""


def holder(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """A process that has the folder, and has half written a file."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder), str(seconds)], cwd=ROOT,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_second_run_says_whom_it_waits_for_and_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = holder(tmp_path, 1.0)
    with caplog.at_level("INFO", "nem2e_tf"), exclusive_lock(tmp_path):
        assert (tmp_path / "large.txt").read_text() == "whole"
    assert f"process {first.pid} on " in caplog.text and str(tmp_path) in caplog.text
    assert first.wait() == 0
    assert [file.name for file in tmp_path.iterdir()] == ["large.txt"]


def test_a_killed_run_blocks_nobody_and_what_it_left_is_cleared(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = holder(tmp_path, 60.0)
    first.kill()
    first.wait()
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {
        f"{LOCK_PREFIX}folder",
        f"{LOCK_PREFIX}large.txt",
        f"{UNFINISHED_PREFIX}large.txt",
    }
    with caplog.at_level("INFO", "nem2e_tf"), exclusive_lock(tmp_path):
        assert {file.name for file in tmp_path.iterdir()} == {f"{LOCK_PREFIX}folder"}
    assert not caplog.text
    assert not list(tmp_path.iterdir())


def test_what_somebody_is_writing_is_not_cleared(tmp_path: Path) -> None:
    with replace_file(tmp_path / "mine.txt") as temporary:
        temporary.write_text("mine")
        with exclusive_lock(tmp_path):
            pass
        assert temporary.read_text() == "mine"
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_process_that_dies_takes_nothing_but_its_own_work_with_it() -> None:
    items = {0: 3, 1: -1, 2: 4, 3: 5}
    assert dict(map_in_own_processes(square_or_die, items, 1)) == {0: 9, 1: None, 2: 16, 3: 25}


def test_processes_make_room_for_new_ones() -> None:
    items = dict.fromkeys(range(ITEMS_PER_PROCESS + 1), 0)
    done = dict(map_in_own_processes(process_id, items, 1))
    assert len(done) == ITEMS_PER_PROCESS + 1 and len(set(done.values())) == 2


def killed(command: Command, kills: int, jobs: int = 2) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = kill(command, kills, 0, Path(folder), lambda done, total: None, jobs)
    assert found.half_written == [] and found.different == []
    assert found.same == kills and found.kills > 0


def test_a_killed_prepare_goes_on_to_the_same_bytes() -> None:
    killed(Command.prepare, kills=1, jobs=1)


@pytest.mark.slow
@pytest.mark.parametrize("command", list(Command))
def test_a_command_killed_at_any_moment_goes_on_to_the_same_bytes(command: Command) -> None:
    killed(command, 5)
