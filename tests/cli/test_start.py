"""How the command starts: version, help, completion, and what it says is not installed."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import nem2e_tf
from tests.repository import NEM2E

RUN = (
    "import sys; sys.modules |= dict.fromkeys({missing!r}); sys.argv = ['nem2e', *{arguments!r}]\n"
)


def without(missing: Sequence[str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `nem2e` where some packages are not installed; print whether TensorFlow was imported."""
    code = (
        RUN.format(missing=list(missing), arguments=arguments)
        + "from nem2e_tf.__main__ import main\n"
        "try:\n    main()\n"
        "finally:\n    print('tensorflow' in sys.modules and bool(sys.modules['tensorflow']))\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)


def refused(done: "subprocess.CompletedProcess[str]", *words: str) -> None:
    """One line, exit status 2, before TensorFlow is imported."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == "False\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    for word in words:
        assert word in line


@pytest.mark.parametrize("command", [[str(NEM2E)], [sys.executable, "-m", "nem2e_tf"]])
def test_the_version_is_printed(command: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        [*command, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"nem2e {nem2e_tf.__version__}\n"


def test_help_lists_the_commands_of_export_and_training_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['nem2e', '--help']\n"
        "from nem2e_tf.__main__ import main\n"
        "try:\n    main()\n"
        "except SystemExit:\n"
        "    heavy = ('tensorflow', 'keras', 'opensim', 'pandas', 'scipy', 'numpy')\n"
        "    print([name for name in heavy if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    *shown, heavy = done.stdout.splitlines()
    assert heavy == "[]", done.stderr
    listed = {line.split()[0] for line in shown if line.startswith("  ") and line.split()}
    assert {"export", "fit", "verify", "estimate", "--version", "--install-completion"} <= listed
    assert all(len(line) <= 80 for line in shown)
    assert not any("..." in line for line in shown if line.startswith("  "))


@pytest.mark.parametrize(
    ("missing", "arguments", "words"),
    [
        (["typer"], ["estimate"], ["typer", "pip install nem2e-tf"]),
        (["rich"], [], ["rich", "pip install nem2e-tf"]),
        (["tf2onnx"], ["export", "walking"], ["tf2onnx", "pip install 'nem2e-tf[export]'"]),
        (["ai_edge_litert"], ["export", "walking", "--form", "tflite-int8"], ["ai-edge-litert"]),
        (["onnxruntime"], ["verify", "walking"], ["onnxruntime", "'nem2e-tf[export]'"]),
        ([], ["export", "walking", "--form", "tflite-int9"], ["no form", "'tflite-int8'"]),
        ([], ["export", "nowhere"], ["nowhere: no such refiner or folder"]),
        ([], ["fit", "nowhere.yaml", "-o", "x"], ["nowhere.yaml"]),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_what_is_missing_is_told_in_one_line_at_once(
    missing: list[str], arguments: list[str], words: list[str]
) -> None:
    refused(without(missing, *arguments), *words)


def test_a_library_that_is_missing_within_a_command_is_told_in_one_line() -> None:
    done = without(["scipy"], "evaluate", "--measured", "a.sto", "--estimate", "b.sto")
    refused(done, "scipy is not installed", "pip install nem2e-tf")
