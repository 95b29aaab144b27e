"""Kills a command at random moments, lets it go on, and compares with an undisturbed run.

    python -m tests.robustness.kill --command prepare --kills 20 --seed 0

The command is a process of its own with processes of its own; SIGKILL takes all of them at once.
Moments are spread over the time that the undisturbed run took, one in each equal part of it, and
every kill is of a run from the start. What the commands work on are virtual people (synthetic).

After a kill no file may be there, but for hidden ones, that is not as the undisturbed run left it;
only `exports.json`, which lists more and more, is not asked. Once the command was given again, the
folder must hold the same files with the same bytes, but for ONNX; see `is_same`.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from nem2e_tf.cli import terminal
from nem2e_tf.cohort import LIST, Recipe, make_cohort
from nem2e_tf.edge import MANIFEST
from tests.repository import NEM2E, ROOT
from tests.training.fit_worker import EXPERIMENT

PEOPLE, RESULT = "people", "result"


class Command(StrEnum):
    """What is killed."""

    prepare = "prepare"
    fit = "fit"
    estimate = "estimate"
    export = "export"


def arguments(command: Command, jobs: int) -> list[str]:
    """The command, as it is given in a folder that `write_inputs` made, and its processes."""
    trials = f"{PEOPLE}/{LIST}"
    module = [sys.executable, "-m"]
    return {
        Command.prepare: [
            str(NEM2E), "prepare", trials, "-o", RESULT, "--jobs", str(jobs)
        ],
        Command.fit: [*module, "training.fit", "experiment.yaml", "-o", RESULT, "--data", PEOPLE],
        Command.estimate: [
            str(NEM2E), "estimate", "--trials", trials, "--refiner", "gait", "-o", RESULT,
            "--jobs", str(jobs),
        ],
        Command.export: [*module, "export.all", RESULT],
    }[command]  # fmt: skip


def write_inputs(command: Command, folder: Path) -> None:
    """Make what the command works on.

    Training keeps its simulations in the checkout: the folder gets a copy of the scripts, which is
    then their checkout.
    """
    for scripts in ("training", "export"):
        shutil.copytree(
            ROOT / scripts, folder / scripts,
            ignore=shutil.ignore_patterns("__pycache__", "node_modules"),
        )  # fmt: skip
    make_cohort(folder / PEOPLE, 1, Recipe(seed=7, strides=3), jobs=1)
    experiment = EXPERIMENT | {
        "trials": f"{PEOPLE}/{LIST}",
        "blocks": {name: list(block) for name, block in EXPERIMENT["blocks"].items()},
        "augmentation": {"time_warp": 0.1, "noise": 0.02},
    }
    (folder / "experiment.yaml").write_text(yaml.safe_dump(experiment))
    if command is Command.export:
        run(Command.fit, folder)
        # Its virtual people to compare on are made once.
        shutil.copytree(folder / RESULT, folder / "fitted")
        run(command, folder)
        shutil.rmtree(folder / RESULT)
        (folder / "fitted").rename(folder / RESULT)


def environment() -> dict[str, str]:
    """With the package of this checkout."""
    return os.environ | {"PYTHONPATH": str(ROOT)}


def run(command: Command, folder: Path, seconds: float | None = None, jobs: int = 2) -> bool:
    """Run the command, to its end or for so many seconds; whether it was killed."""
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(
            arguments(command, jobs), cwd=folder, env=environment(), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
    if status:
        raise RuntimeError(f"status {status}: {(folder / 'log.txt').read_text()[-2000:]}")
    return False


def content(folder: Path, hidden: bool = True) -> dict[str, bytes]:
    """Bytes of every file, by its name within the folder."""
    files = {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*"))}
    return {
        name: file.read_bytes()
        for name, file in files.items()
        if file.is_file() and (hidden or not any(p.startswith(".") for p in Path(name).parts))
    }


def is_same(name: str, one: bytes, other: bytes) -> bool:
    """Whether two files are the same bytes; of ONNX, which tf2onnx shuffles, the same content.

    Of that are compared inputs, outputs, how many operations there are of each type, and all
    constants; of `exports.json`, which tells its checksum, all but what it says of ONNX.
    """
    if one == other:
        return True
    if name == MANIFEST and one and other:
        tables = [json.loads(content) for content in (one, other)]
        for table in tables:
            table["forms"].pop("onnx", None)
        return bool(tables[0] == tables[1])
    if name.endswith(".onnx") and one and other:
        return _onnx_content(one) == _onnx_content(other)
    return False


def _onnx_content(file: bytes) -> list[object]:
    import onnx

    graph = onnx.load_from_string(file).graph
    constants = sorted(
        (list(tensor.dims), onnx.numpy_helper.to_array(tensor).tobytes())
        for tensor in graph.initializer
    )
    ends = [[value.SerializeToString() for value in side] for side in (graph.input, graph.output)]
    return [ends, sorted(node.op_type for node in graph.node), constants]


@dataclass
class Findings:
    """What became of the kills.

    Args:
        command: what was killed.
        seconds: that the undisturbed run took.
        kills: how often it was killed.
        late: how often it had ended before, and was begun again to be killed earlier.
        half_written: files that a kill left not as they should be.
        different: files that going on left not as they should be.
        same: kills after which going on gave the same bytes.
    """

    command: str
    seconds: float
    kills: int = 0
    late: int = 0
    half_written: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    same: int = 0


def kill(
    command: Command, kills: int, seed: int, folder: Path, progress: Callable[[int, int], None],
    jobs: int = 2,
) -> Findings:  # fmt: skip
    """Kill the command, again and again, in copies of what it works on.

    Args:
        command: Command.
        kills: how many.
        seed: of the moments.
        folder: path, empty.
        progress: of kills done and kills in all.
        jobs: processes of the command.
    """
    # Results name their inputs, so that every run is in a folder of the same name.
    start, work = folder / "start", folder / "work"
    start.mkdir()
    write_inputs(command, start)
    shutil.copytree(start, work)
    begun = time.monotonic()
    run(command, work, jobs=jobs)
    findings = Findings(command, time.monotonic() - begun)
    expected = content(work / RESULT)
    draw = random.Random(seed)
    for number in range(kills):
        moment = (number + draw.random()) / kills * findings.seconds
        while True:
            shutil.rmtree(work)
            shutil.copytree(start, work)
            if run(command, work, moment, jobs):
                break
            findings.late += 1
            moment *= draw.random()
        findings.kills += 1
        before = content(work / RESULT, hidden=False)
        half = [
            name
            for name in before
            if name != MANIFEST and not is_same(name, before[name], expected.get(name, b""))
        ]
        run(command, work, jobs=jobs)
        after = content(work / RESULT)
        names = sorted({*after, *expected})
        other = [n for n in names if not is_same(n, after.get(n, b""), expected.get(n, b""))]
        findings.half_written += [f"{name} at {moment:.2f} s" for name in half]
        findings.different += [f"{name} at {moment:.2f} s" for name in other]
        findings.same += not other
        progress(number + 1, kills)
    return findings


def main(
    command: Annotated[Command, typer.Option(help="What to kill.")],
    kills: Annotated[int, typer.Option(min=1, help="How often.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Kill a command at random moments, and let it go on."""
    with tempfile.TemporaryDirectory() as folder, terminal.progress_bar("killing") as progress:
        findings = kill(command, kills, seed, Path(folder), progress)
    if as_json:
        plain: dict[str, Any] = asdict(findings)
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
    else:
        terminal.print_lines(
            [
                f"{command}, {findings.seconds:.1f} s undisturbed: the same bytes after"
                f" {findings.same} of {kills} kills",
                *(f"half-written: {name}" for name in findings.half_written),
                *(f"different: {name}" for name in findings.different),
            ]
        )
    if findings.half_written or findings.different:
        raise typer.Exit(1)


if __name__ == "__main__":
    app = terminal.make_app("Robustness.")
    app.command()(main)
    terminal.run(app)
