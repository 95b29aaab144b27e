"""Locks for one writer at a time; the system releases those of a process that dies."""

import errno
import logging
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

UNFINISHED_PREFIX, LOCK_PREFIX = ".unfinished-", ".lock-"
"""Beginnings of the names of an unfinished file or folder, and of its lock."""
FOLDER_LOCK = "folder"
"""Name of a folder's lock, after `LOCK_PREFIX`, in the folder itself."""

log = logging.getLogger(__name__)


def unfinished_path(path: Path) -> Path:
    """Where a file or folder is written until it is complete."""
    return path.with_name(UNFINISHED_PREFIX + path.name)


def lock_path(path: Path) -> Path:
    """The lock file that is held while a file or folder is written."""
    return path.with_name(LOCK_PREFIX + path.name)


@contextmanager
def exclusive_lock(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Let one run at a time write into a folder; another logs which process it waits for.

    Unfinished files of killed runs in the folder are removed.
    """
    folder = Path(folder)
    with write_lock(folder / FOLDER_LOCK):
        remove_unfinished(folder)
        yield


def remove_unfinished(folder: Path) -> None:
    """Remove the unfinished files of killed runs from a folder."""
    left = {
        file.name.removeprefix(UNFINISHED_PREFIX) for file in folder.glob(f"{UNFINISHED_PREFIX}*")
    }
    left |= {file.name.removeprefix(LOCK_PREFIX) for file in folder.glob(f"{LOCK_PREFIX}*")} - {
        FOLDER_LOCK
    }
    for name in left:
        # A running writer keeps its files.
        with suppress(BlockingIOError), write_lock(folder / name, wait=False):
            remove_path(unfinished_path(folder / name))


@contextmanager
def write_lock(path: Path, wait: bool = True) -> Iterator[None]:
    """Let one process at a time write a file or folder; another logs which process it waits for.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is false.
    """
    file = lock_path(path)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise BlockingIOError(errno.EAGAIN, "held by another process", str(file)) from None
        log.info("%s: held by %s; waiting for it", file, _read_holder(file))
        lock.acquire()
    try:
        _write_holder(file)
        yield
    finally:
        # Before the release, or it could be another's. Windows removes no open file; filelock
        # does that there, after the release.
        with suppress(OSError):
            file.unlink()
        lock.release()


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_holder(lock: Path) -> None:
    """Say in a lock who has it, behind its first byte, which is what Windows locks."""
    with suppress(OSError), lock.open("r+b") as file:  # a full disk has no room for this
        file.seek(1)
        file.write(f"process {os.getpid()} on {platform.node()}".encode())
        file.truncate()


def _read_holder(lock: Path) -> str:
    with suppress(OSError), lock.open("rb") as file:
        file.seek(1)
        return file.read().decode(errors="replace") or "another process"
    return "another process"
