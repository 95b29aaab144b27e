"""Commands: as people start them, in a process of their own, and, much sooner, in this process.

A process of its own loads TensorFlow and OpenSim anew, which takes longer than most of what a test
asks of a command. Every command is started as a process by some test; the others run it here, by
the same entry and with the same streams.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import typer

from nem2e_tf.cli import app as nem2e
from nem2e_tf.cli import terminal
from tests.repository import NEM2E, ROOT

Done = subprocess.CompletedProcess[str]


def start(*arguments: object, cwd: Path = ROOT, **options: Any) -> Done:
    """Run `nem2e` in a process of its own."""
    return subprocess.run(
        [str(NEM2E), *map(str, arguments)],
        cwd=cwd, capture_output=True, text=True, timeout=300, **options,
    )  # fmt: skip


def start_module(name: str, *arguments: object, first: tuple[str, ...] = ()) -> Done:
    """Run `python -m NAME` in a process of its own, in the repository; `first` stands before it."""
    return subprocess.run(
        [*first, sys.executable, "-m", name, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip


def run(*arguments: object, cwd: Path = ROOT, app: typer.Typer = nem2e, given: bytes = b"") -> Done:
    """Run `nem2e`, or another application, in this process, `given` being its standard input."""
    words = ["nem2e", *map(str, arguments)]
    with ExitStack() as stack:
        into, out, err = (stack.enter_context(TemporaryFile()) for _ in range(3))
        into.write(given)
        into.seek(0)
        with _streams(*(file.fileno() for file in (into, out, err))), chdir(cwd), _arguments(words):
            try:
                terminal.run(app)
            except SystemExit as end:
                code = end.code
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode())
    return Done(words, code if isinstance(code, int) else 1, *texts)


@contextmanager
def _streams(*files: int) -> Iterator[None]:
    """Turn standard input, output and error elsewhere, also for compiled code."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(number) for number in range(3)]
    for number, file in enumerate(files):
        os.dup2(file, number)
    try:
        with (
            open(1, "w", encoding="utf-8", closefd=False) as stdout,
            open(2, "w", encoding="utf-8", closefd=False, buffering=1) as stderr,
            redirect_stdout(stdout),
            redirect_stderr(stderr),
        ):
            yield
    finally:
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)


@contextmanager
def _arguments(words: list[str]) -> Iterator[None]:
    """Stand in for the command line, and take the command's log away again."""
    logger = logging.getLogger("nem2e_tf")
    level, handlers, kept = logger.level, list(logger.handlers), sys.argv
    sys.argv = words
    try:
        yield
    finally:
        sys.argv = kept
        logger.setLevel(level)
        logger.handlers[:] = handlers
