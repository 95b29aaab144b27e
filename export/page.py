"""A refiner as a web page: `python -m export.page walking -o page`.

The folder holds all that a browser needs: the page of `export/web`, LiteRT.js, the refiner's step
graphs in float32 and int8, its card, and a virtual person's walk to play. Any server of files will
do for it.

    card.json               the refiner's card
    network.json            the frames of a step, the graphs, and how far attention sees
    recording.json          simulated and measured activity
    float32/, int8/         a .tflite file a graph
    wasm/                   LiteRT.js
    index.html, page.css, page.js
"""

import json
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nem2e_tf import terminal
from nem2e_tf.errors import InputError
from nem2e_tf.files import check_new_folder
from nem2e_tf.refiner import CARD, Refiner, load

WEB = Path(__file__).resolve().parent / "web"

EXPORTED = "tflite"
"""Folder of a refiner that its exported graphs are in, each recipe in one of its own."""

FORMS = {"float32": "float32", "int8": "int8-float-border"}
"""By form that the page offers, the recipe: LiteRT.js takes no integers at a graph's border."""

GRAPHS = ("forward_step", "backward_step", "start", "decode_step")

RUNTIME = ("litert_wasm_compat_internal.js", "litert_wasm_compat_internal.wasm")
"""LiteRT.js without threads and relaxed SIMD: servers need send no special headers for it."""

STRIDES = 20

app = terminal.application("Assemble a web page that runs a refiner.")


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


def graphs(folder: Path, form: str, causal: bool) -> list[Path]:
    """The files of a refiner's step graphs in one of `FORMS`.

    Raises:
        InputError: one is missing.
    """
    recipe = folder / EXPORTED / FORMS[form]
    files = [recipe / f"{g}.tflite" for g in GRAPHS if not (causal and g == "backward_step")]
    for file in files:
        if not file.is_file():
            raise InputError(f"{file}: not there; run python -m export.tflite {folder} first")
    return files


def recording(refiner: Refiner) -> dict[str, Any]:
    """A virtual person whom no refiner has seen, in the task that the refiner is for.

    Returns:
        What recording.json holds: `simulated` `(frames, inputs)`, activation 0-1, and `measured`
        `(frames, outputs)`, shares of the person's maximum, in the card's order and at its rate;
        whole steps of the network.
    """
    from nem2e_tf.cohort.causes import switched_on
    from nem2e_tf.cohort.demo import SEED
    from nem2e_tf.cohort.making import write_trial
    from nem2e_tf.cohort.session import session, write_leg
    from nem2e_tf.cohort.subject import sample_subject
    from nem2e_tf.muscles import combine
    from nem2e_tf.signals import resample
    from nem2e_tf.simulation import simulate_files

    card = refiner.card
    task = card.fitted_on[0].task
    subject = sample_subject(SEED, 1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        leg = write_leg(subject, folder / "leg.osim")
        done = session(subject, (task,), STRIDES, switched_on(), leg)
        start, end = write_trial(done, task, folder, raw=False)
        files = folder / "motion.mot", folder / "moments.sto"
        activity = simulate_files(leg, *files, start=start, end=end)
    simulated = refiner.channels(activity, "r")
    emg = done.trials[task].emg
    columns = refiner.muscles.require(card.outputs, emg.columns, "r", "virtual EMG")
    measured = combine(resample(emg, simulated.index.to_numpy()), columns)
    frames = refiner.model.get_layer("steps").frames
    whole = len(simulated) // frames * frames
    return {
        "name": f"a virtual person, {task}",
        "synthetic": True,
        "rate": card.rate,
        "inputs": card.inputs,
        "muscles": card.outputs,
        "simulated": simulated.to_numpy()[:whole].round(5).tolist(),
        "measured": measured.to_numpy()[:whole].round(5).tolist(),
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
        _npm(web, "ci", "--omit=dev", "--ignore-scripts", "--prefer-offline")
        _npm(web, "run", "build")
        for file in (web / "index.html", web / "built" / "page.js", web / "built" / "page.css"):
            shutil.copy(file, folder)
        (folder / "wasm").mkdir()
        for name in RUNTIME:
            packed = web / "node_modules" / "@litertjs" / "core" / "wasm" / name
            shutil.copyfile(packed, folder / "wasm" / name)


def _npm(web: Path, *command: str) -> None:
    done = subprocess.run(
        ["npm", *command, "--no-audit", "--no-fund"], cwd=web, capture_output=True, text=True
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error" in line.lower()]
        raise InputError(f"npm {command[0]} failed: {' '.join(said)[:300] or done.stderr[-300:]}")


def assemble(refiner: Refiner, folder: Path) -> Assembled:
    """Write the page of a refiner, whole or not at all.

    Args:
        refiner: Refiner, loaded from a folder into which it has been exported.
        folder: path. A new one.

    Raises:
        InputError: the folder is there already, a graph is missing, or npm is or fails.
    """
    folder = check_new_folder(folder)
    assert refiner.folder is not None
    fold, decoder = (refiner.model.get_layer(name) for name in ("steps", "decoder"))
    if decoder.sight is None:
        raise InputError(f"{refiner.card.name}: attention without bounds; the page has bounds")
    before, after = decoder.sight
    exported = {form: graphs(refiner.folder, form, decoder.ahead is not None) for form in FORMS}
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as around:
        whole = Path(around) / folder.name
        whole.mkdir()
        bundle(whole)
        for form, files in exported.items():
            (whole / form).mkdir()
            for file in files:
                shutil.copy(file, whole / form)
        names = [file.stem for file in exported["float32"]]
        layout = {"frames": fold.frames, "graphs": names, "before": before, "after": after}
        played = recording(refiner)
        shutil.copy(refiner.folder / CARD, whole)
        for name, content in (("network.json", layout), ("recording.json", played)):
            (whole / name).write_text(json.dumps(content) + "\n", encoding="utf-8")
        size = sum(file.stat().st_size for file in whole.rglob("*") if file.is_file())
        whole.rename(folder)
    return Assembled(str(folder), size, len(played["simulated"]) / refiner.card.rate)


@app.command()
def main(
    refiner: Annotated[str, typer.Argument(help="Name of a shipped refiner, or its folder.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a folder that a browser shows: the refiner at work on a virtual person, live."""
    terminal.quiet_tensorflow()
    trained = load(refiner)
    with terminal.console.status("assembling the page"):
        assembled = assemble(trained, output)
    if as_json:
        terminal.print_json(asdict(assembled))
    else:
        terminal.print_lines(
            [
                f"wrote {assembled.folder}, {assembled.size:,} bytes;"
                f" it plays {assembled.seconds:.0f} s of a virtual person (synthetic)",
                f"serve it: python -m http.server --directory {assembled.folder}",
            ]
        )


if __name__ == "__main__":
    terminal.run(app)
