"""One writer at a time: locks that the system takes back from a process that dies."""

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
        _write_read_holder(file)
        yield
    finally:
        # Before the release, or it could be another's. Windows removes no open file; filelock
        # does that there, after the release.
        with suppress(OSError):
            file.unlink()
        lock.release()


def remove_path(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _write_read_holder(lock: Path) -> None:
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
