"""Checks of input and output paths, and files and folders that are written whole or not at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.files.locks import lock_path, remove_path, unfinished_path, write_lock


def check_input(path: str | os.PathLike[str], role: str) -> Path:
    """The path, or an `InputError` if it is not a file that can be read."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; expected {role}")
    if not path.is_file():
        raise InputError(f"{path}: is a folder; expected {role}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: cannot be read (permission denied)")
    return path


def check_output(
    path: str | os.PathLike[str], suffixes: Iterable[str], inputs: Iterable[Path | None] = ()
) -> Path:
    """The path, or an `InputError` if a result cannot be written there.

    Called before long work starts. An output that is also an input is refused.
    """
    path, suffixes = Path(path), tuple(suffixes)
    if path.suffix.lower() not in suffixes:
        raise InputError(f"{path}: the name of this output must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name a file to write")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.absolute().parent, os.W_OK):
        raise InputError(f"{path}: the folder {path.parent} cannot be written to")
    for source in inputs:
        if source is not None and path.exists() and path.samefile(source):
            raise InputError(f"{path}: is also an input of this command; name another output")
    return path


def check_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, created if it does not exist, or an `InputError` if it cannot be written to."""
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; name a folder to write into")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: cannot create this folder: {error.strerror}") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"{path}: this folder cannot be written to")
    return path


def check_new_folder(path: str | os.PathLike[str]) -> Path:
    """The path, or an `InputError` if a folder cannot be created there or is not empty."""
    path = Path(path).absolute()
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"{path}: already exists; name a new folder, or remove it first")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file; name a folder to write")
    check_folder(path.parent)
    return path


@contextmanager
def replace_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file beside `path`, renamed to it if the block succeeds, removed if not.

    Two writers of one file take turns. The next writer removes what a killed one left.

    Raises:
        OSError: about `path`, as of a full disk; an earlier file is unchanged.
    """
    path = Path(path)
    temporary = unfinished_path(path)
    try:
        with write_lock(path):
            remove_path(temporary)
            try:
                yield temporary
                with temporary.open("r+b") as written:
                    os.fsync(written.fileno())  # some disks report only now that they are full
                temporary.replace(path)
            finally:
                remove_path(temporary)
    except OSError as error:
        # The user does not know the files beside it, and some libraries name none.
        if error.filename in (None, str(temporary), str(lock_path(path))):
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise


@contextmanager
def create_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside `path`, renamed to it if the block succeeds, removed if not.

    Two writers of one folder take turns, and the second is refused before it begins.

    Raises:
        InputError: it already exists, or the folder around it cannot be written to.
    """
    path = check_new_folder(path)
    temporary = unfinished_path(path)
    with write_lock(path):
        check_new_folder(path)
        remove_path(temporary)
        try:
            temporary.mkdir()
            yield temporary
            with suppress(FileNotFoundError):
                path.rmdir()  # it is empty; Windows renames to no folder that is there
            temporary.rename(path)
        except OSError as error:
            if error.filename is None or not Path(error.filename).is_relative_to(temporary):
                raise
            place = path / Path(error.filename).relative_to(temporary)
            raise OSError(error.errno, error.strerror, str(place)) from error
        finally:
            remove_path(temporary)
