"""Functions of this package in Python processes of their own: to measure, or to survive a crash."""

import os
import re
import signal
import subprocess
import sys

RUN_CHILD = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, *sys.argv[1:]]))"
"""Python code that runs Python with its arguments."""


def run_function(
    module: str, function: str, *arguments: str, small_parent: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Call a function of this package in a process of its own.

    Args:
        module: of this package, as `memory`.
        function: of that module, which takes strings.
        arguments: what it is called with.
        small_parent: bool. Start it from a process that has imported nothing. On Linux the peak
            memory that is counted for a process begins at that of its parent.
    """
    # The package is `export` in a checkout and `nem2e_tf.export` where it is installed.
    code = f"import sys; from {__package__}.{module} import {function} as f; f(*sys.argv[1:])"
    # The process looks for modules where this one does, whatever folder it was started in.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run(
        [sys.executable, *(("-c", RUN_CHILD) if small_parent else ()), "-c", code, *arguments],
        env=environment | {"PYTHONUTF8": "1"}, capture_output=True, encoding="utf-8",
        errors="replace", check=False,
    )  # fmt: skip


def describe_failure(done: "subprocess.CompletedProcess[str]") -> str:
    """Why a process failed, in a line."""
    if done.returncode < 0:
        return f"the process ended by {signal.Signals(-done.returncode).name}"
    # What Python says last; before it, the converter says where in many words.
    found = re.search(r"^[\w.]*?(\w+(?:Error|Exception): .*)$", done.stderr, re.MULTILINE)
    if found is None:
        return f"exit status {done.returncode}"
    kind, detail = found[1].split(": ", 1)
    return f"{kind}: {detail.rsplit('error: ', 1)[-1].rsplit('): ', 1)[-1][:200]}"
