"""A refiner as a web page: `python -m export.page walking -o page`.

The folder holds all that a browser needs, and any server of files will do for it:

    index.html, page.css, page.js
    wasm/                           LiteRT.js
    refiner/                        card.json, exports.json and the .tflite files of two forms
    recording.json                  a virtual person to play: simulated and measured activity
"""

import json
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.edge import MANIFEST, Manifest
from nem2e_tf.errors import InputError
from nem2e_tf.files import create_folder
from nem2e_tf.refiner import CARD, Refiner, load
from nem2e_tf.signals import combine, resample

WEB = Path(__file__).resolve().parent / "web"

FORMS = ("tflite/float32", "tflite/int8-web")
"""What the page offers; LiteRT.js takes no 16-bit integers at a graph's border."""

RUNTIME = ("litert_wasm_compat_internal.js", "litert_wasm_compat_internal.wasm")
"""LiteRT.js without threads and relaxed SIMD: it needs no special headers from a server."""

STRIDES = 20

app = terminal.make_app("Assemble a web page that runs a refiner.")


@dataclass(frozen=True)
class Assembled:
    """A page that was written.

    Args:
        folder: path as str.
        size: bytes of all its files.
        seconds: length of the recording that it plays, which is synthetic.
    """

    folder: str
    size: int
    seconds: float


def assemble(refiner: Refiner, folder: Path) -> Assembled:
    """Write the page of a refiner, whole or not at all.

    Args:
        refiner: Refiner, loaded from a folder into which `FORMS` have been exported.
        folder: path. A new one.

    Raises:
        InputError: the folder is there already, a form was not exported, npm is missing or fails.
    """
    assert refiner.folder is not None
    manifest = Manifest.read(refiner.folder)
    exported = [file for form in FORMS for file in manifest.files(form).values()]
    with create_folder(folder) as whole:
        bundle(whole)
        for file in (refiner.folder / CARD, refiner.folder / MANIFEST, *exported):
            place = whole / "refiner" / file.relative_to(refiner.folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
        played = record_virtual_person(refiner)
        text = json.dumps(played) + "\n"
        (whole / "recording.json").write_text(text, encoding="utf-8", newline="\n")
        size = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file())
    return Assembled(str(folder), size, len(played["simulated"]) / refiner.card.rate)


def record_virtual_person(refiner: Refiner) -> dict[str, Any]:
    """A virtual person whom no refiner has seen, in the task that a refiner is for.

    Returns:
        What recording.json holds: `simulated` `(frames, inputs)`, activation 0-1, and `measured`
        `(frames, outputs)`, shares of the person's maximum, both at the card's rate and in its
        order.
    """
    from nem2e_tf.cohort import SEED, sample_subject, select_causes, write_leg, write_trial
    from nem2e_tf.cohort.session import record_session
    from nem2e_tf.simulation import simulate_files

    card = refiner.card
    task = card.fitted_on[0].task
    subject = sample_subject(SEED, 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        leg = write_leg(subject, folder / "leg.osim")
        recorded = record_session(subject, (task,), STRIDES, select_causes(), leg)
        start, end = write_trial(recorded, task, folder, raw=False)
        files = folder / "motion.mot", folder / "moments.sto"
        activity = simulate_files(leg, *files, start=start, end=end)
    simulated = refiner.channels(activity, "r")
    emg = recorded.trials[task].emg
    electrodes = refiner.muscles.require_columns(card.outputs, emg.columns, "r", "virtual EMG")
    measured = combine(resample(emg, simulated.index.to_numpy()), electrodes)
    return {
        "name": f"a virtual person, {task}",
        "synthetic": True,
        "rate": card.rate,
        "inputs": card.inputs,
        "muscles": card.outputs,
        "simulated": simulated.to_numpy().round(5).tolist(),
        "measured": measured.to_numpy().round(5).tolist(),
    }


def bundle(folder: Path) -> None:
    """Write page and runtime into a folder, from `export/web` and the packages that it pins.

    Raises:
        InputError: there is no npm, or it fails.
    """
    if shutil.which("npm") is None:
        raise InputError("npm is not there; install Node.js 18 or newer, which brings it")
    with tempfile.TemporaryDirectory() as temporary:
        web = Path(temporary) / "web"
        shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules", "built"))
        _run_npm(web, "ci", "--omit=dev", "--ignore-scripts", "--prefer-offline")
        _run_npm(web, "run", "build")
        packages = web / "node_modules"
        for file in (web / "index.html", web / "built" / "page.js", web / "built" / "page.css"):
            shutil.copyfile(file, folder / file.name)
        shutil.copyfile(packages / "uplot" / "LICENSE", folder / "uPlot-LICENSE")
        (folder / "wasm").mkdir()
        for name in RUNTIME:
            shutil.copyfile(packages / "@litertjs" / "core" / "wasm" / name, folder / "wasm" / name)


def _run_npm(web: Path, *command: str) -> None:
    # By its whole name: on Windows it is npm.cmd.
    called = [shutil.which("npm") or "npm", *command, "--no-audit", "--no-fund"]
    done = subprocess.run(called, cwd=web, capture_output=True, encoding="utf-8", errors="replace")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        detail = " ".join(" ".join(errors or done.stderr.splitlines()).split())[:300]
        raise InputError(f"npm {command[0]} failed in a copy of {WEB}: {detail}")


@app.command()
def main(
    refiner: Annotated[str, typer.Argument(help="Name of a shipped refiner, or its folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a folder that a browser shows: the refiner at work on a virtual person, live."""
    terminal.import_tensorflow_quietly()
    trained = load(refiner)
    with terminal.stderr.status("assembling the page"):
        assembled = assemble(trained, output)
    if as_json:
        terminal.print_json(asdict(assembled))
    else:
        terminal.print_lines(
            [
                f"wrote {assembled.folder}, {assembled.size:,} bytes; it plays"
                f" {assembled.seconds:.0f} s of a virtual person (synthetic)",
                f"serve it: python -m http.server --directory {assembled.folder}",
            ]
        )


if __name__ == "__main__":
    terminal.run(app)
