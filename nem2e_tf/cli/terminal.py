"""What every command shares: one-line errors, a progress bar, a quiet screen."""

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

from nem2e_tf.errors import InputError

screen = Console()
"""For results."""

console = Console(stderr=True)
"""For what happens on the way, so that a result can be piped on."""


class _Notes(logging.Handler):
    """Prints what the library has to say, a line each, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        console.print(record.getMessage(), soft_wrap=True, highlight=False, markup=False)


def application(help_text: str) -> typer.Typer:
    """An empty command-line application; `run` it."""
    return typer.Typer(
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )


def run(app: typer.Typer) -> NoReturn:
    """Run an application. What a person can mend ends in one line and exit status 2."""
    if sys.platform == "win32":
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # what is piped on is UTF-8 as elsewhere
                stream.reconfigure(encoding="utf-8")
    logger = logging.getLogger("nem2e_tf")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Notes())
    try:
        app()
    except InputError as error:
        fail(str(error))
    except OSError as error:
        # A full disk, a folder that went away: the system says what, the file says where.
        where = f"{error.filename}: " if error.filename else ""
        fail(f"{where}{error.strerror or error}")
    except RuntimeError as error:
        # OpenSim throws nothing else, as where it cannot write a model.
        if "SimTK" not in str(error):
            raise
        fail(f"OpenSim: {error}")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    sys.exit(0)


def fail(message: str) -> NoReturn:
    """Say in one line what is wrong and exit with status 2."""
    sys.stderr.write(f"error: {' '.join(message.split())}\n")
    sys.exit(2)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, moved by calling `(done, total)`."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    shown = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shown) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_warnings(warnings: Iterable[str], notes: Iterable[str] = ()) -> None:
    """What a person should know of a result, a line each on standard error; warnings first."""
    for kind, style, sentences in (("warning", "yellow", warnings), ("note", "dim", notes)):
        for sentence in sentences:
            line = f"{kind}: {sentence}"
            console.print(line, style=style, soft_wrap=True, highlight=False, markup=False)


def print_lines(lines: Iterable[str]) -> None:
    """Lines of a result, as they are."""
    for line in lines:
        screen.print(line, soft_wrap=True, highlight=False, markup=False)


def print_json(value: Any) -> None:
    """One JSON object on standard output; what is not a finite number is null."""
    sys.stdout.write(json.dumps(finite(value), indent=2, ensure_ascii=False) + "\n")


def finite(value: Any) -> Any:
    """The same tables and lists, with None for every NaN and infinity."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def without_native_notes() -> Iterator[None]:
    """Turn standard error away while compiled code chats on it; an exception rises as ever."""
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


def quiet_tensorflow() -> None:
    """Import TensorFlow without the notes that it writes before its log level is read."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_native_notes():
        import tensorflow  # noqa: F401
