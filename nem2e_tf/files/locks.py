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

UNFINISHED, LOCK = ".unfinished-", ".lock-"
"""How the names begin of what is being written, and of its lock."""
WHOLE = "folder"
"""The lock of a folder is of this name in it."""

log = logging.getLogger(__name__)


def unfinished(path: Path) -> Path:
    """Where a file or folder is until it is whole."""
    return path.with_name(UNFINISHED + path.name)


def lock_of(path: Path) -> Path:
    """What is held while a file or folder is written."""
    return path.with_name(LOCK + path.name)


@contextmanager
def alone_in(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Let one run at a time write into a folder; another says for whom it waits, and waits.

    What killed runs left unfinished there is removed.
    """
    folder = Path(folder)
    with alone_with(folder / WHOLE):
        clear(folder)
        yield


def clear(folder: Path) -> None:
    """Remove from a folder what killed runs left unfinished."""
    left = {file.name.removeprefix(UNFINISHED) for file in folder.glob(f"{UNFINISHED}*")}
    left |= {file.name.removeprefix(LOCK) for file in folder.glob(f"{LOCK}*")} - {WHOLE}
    for name in left:
        # A writer that is alive keeps what is its own.
        with suppress(BlockingIOError), alone_with(folder / name, wait=False):
            remove(unfinished(folder / name))


@contextmanager
def alone_with(path: Path, wait: bool = True) -> Iterator[None]:
    """Let one process at a time write a file or folder; another says for whom it waits, and waits.

    Raises:
        BlockingIOError: another process has it, and there is to be no waiting.
    """
    file = lock_of(path)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise BlockingIOError(errno.EAGAIN, "held by another process", str(file)) from None
        log.info("%s: held by %s; waiting for it", file, _holder(file))
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


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
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


def _holder(lock: Path) -> str:
    with suppress(OSError), lock.open("rb") as file:
        file.seek(1)
        return file.read().decode(errors="replace") or "another process"
    return "another process"
