"""What every command shares: errors of one line, a progress bar, output as text or JSON."""

import io
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from nem2e_tf.errors import InputError, missing_dependency

stdout = Console()
"""For results."""

stderr = Console(stderr=True)
"""For warnings, notes and progress, so that a result can be piped on."""


class _LogPrinter(logging.Handler):
    """Prints log messages of the library, a line each and once, above any progress bar."""

    def __init__(self) -> None:
        super().__init__()
        self._printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if message in self._printed:  # a file that two steps read
            return
        self._printed.add(message)
        stderr.print(message, soft_wrap=True, highlight=False, markup=False)


def make_app(help_text: str | None, completion: bool = False) -> typer.Typer:
    """Make a command-line application without commands; `run` it.

    Args:
        help_text: what it is for.
        completion: whether to add the options that install completion for a shell.
    """
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=completion,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def run_command(command: Callable[..., None]) -> NoReturn:
    """Run an application of one command, as `python -m export.verify` is."""
    app = make_app(None)
    app.command()(command)
    run(app)


def run(app: typer.Typer) -> NoReturn:
    """Run an application. An error that the user can correct is one line, with exit status 2."""
    if sys.platform == "win32":
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # what is piped on is UTF-8 as elsewhere
                stream.reconfigure(encoding="utf-8")
    logger = logging.getLogger("nem2e_tf")
    logger.setLevel(logging.INFO)
    logger.addHandler(_LogPrinter())
    try:
        app()
    except InputError as error:
        exit_with_error(str(error))
    except OSError as error:
        # As of a full disk: the system says what is wrong, the error has the file.
        file = f"{error.filename}: " if error.filename else ""
        exit_with_error(f"{file}{error.strerror or error}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "nem2e_tf"):
            raise
        exit_with_error(missing_dependency(package))
    except RuntimeError as error:
        # OpenSim raises nothing else, as where it cannot write a model.
        if "SimTK" not in str(error):
            raise
        exit_with_error(f"OpenSim: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    sys.exit(0)


def exit_with_error(message: str) -> NoReturn:
    """Print one line on standard error and exit with status 2."""
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(2)


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, moved by calling `(done, total)`."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    hidden = not stderr.is_terminal
    with Progress(*columns, console=stderr, transient=True, disable=hidden) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_warnings(warnings: Iterable[str], notes: Iterable[str] = ()) -> None:
    """Print warnings, then notes, a line each on standard error."""
    for kind, style, sentences in (("warning", "yellow", warnings), ("note", "dim", notes)):
        for sentence in sentences:
            line = f"{kind}: {sentence}"
            stderr.print(line, style=style, soft_wrap=True, highlight=False, markup=False)


def print_messages(lines: Iterable[str]) -> None:
    """Print lines on standard error, as they are."""
    for line in lines:
        stderr.print(line, soft_wrap=True, highlight=False, markup=False)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines of a result on standard output, as they are."""
    for line in lines:
        stdout.print(line, soft_wrap=True, highlight=False, markup=False)


def print_json(value: Any) -> None:
    """Print one JSON object on standard output; NaN and infinity are null."""
    text = json.dumps(replace_non_finite(value), indent=2, ensure_ascii=False)
    sys.stdout.write(text + "\n")


def replace_non_finite(value: Any) -> Any:
    """The same tables and lists, with None for every NaN and infinity."""
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def silence_native_code() -> Iterator[None]:
    """Discard what compiled code writes to standard error; exceptions are raised as ever."""
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


def import_tensorflow_quietly() -> None:
    """Import TensorFlow without the notes that it writes before its log level is read."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with silence_native_code():
        import tensorflow  # noqa: F401
