"""One writer at a time: locks that the system takes back from a process that dies."""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

UNFINISHED_PREFIX, LOCK_PREFIX = ".unfinished-", ".lock-"
"""How the names begin of what is being written, and of its lock."""
FOLDER_LOCK = "folder"
"""The lock of a folder is of this name in it."""

log = logging.getLogger(__name__)


def unfinished_path(path: Path) -> Path:
    """Where a file or folder is until it is whole."""
    return path.with_name(UNFINISHED_PREFIX + path.name)


def lock_path(path: Path) -> Path:
    """What is held while a file or folder is written."""
    return path.with_name(LOCK_PREFIX + path.name)


@contextmanager
def exclusive_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Let one run at a time write into a folder; another says for whom it waits, and waits.

    What killed runs left unfinished there is removed.
    """
    folder = Path(folder)
    with write_lock(folder / FOLDER_LOCK):
        remove_unfinished(folder)
        yield


def remove_unfinished(folder: Path) -> None:
    """Remove from a folder what killed runs left unfinished."""
    left = {
        file.name.removeprefix(UNFINISHED_PREFIX) for file in folder.glob(f"{UNFINISHED_PREFIX}*")
    }
    left |= {file.name.removeprefix(LOCK_PREFIX) for file in folder.glob(f"{LOCK_PREFIX}*")} - {
        FOLDER_LOCK
    }
    for name in left:
        # A writer that is alive keeps what is its own.
        with suppress(BlockingIOError), write_lock(folder / name, wait=False):
            remove_path(unfinished_path(folder / name))


@contextmanager
def write_lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Let one process at a time write a file or folder; another says for whom it waits, and waits.

    Raises:
        BlockingIOError: another process has it, and there is to be no waiting.
    """
    lock = lock_path(path)
    with _hold_lock(lock, wait) as file:
        try:
            with suppress(OSError):  # a full disk has no room for this
                file.truncate(0)
                file.write(f"process {os.getpid()} on {os.uname().nodename}".encode())
            yield
        finally:
            lock.unlink(missing_ok=True)


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _hold_lock(lock: Path, wait: bool) -> Iterator[IO[bytes]]:
    while True:
        with lock.open("a+b", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not wait:
                    raise
                file.seek(0)
                holder = file.read().decode(errors="replace") or "another process"
                log.info("%s: held by %s; waiting for it", lock, holder)
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_same_file(file, lock):
                yield file
                return


def _is_same_file(file: IO[bytes], path: Path) -> bool:
    """Whether the open file is still there: who held it before has removed it."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
