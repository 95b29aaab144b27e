"""Commands on many trials: `prepare`, `personalise`, `cohort`; and `demo`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.cli.common import load_refiner, plot_refined, write_frame
from nem2e_tf.cli.options import Backend, DataFolder, Jobs, Json, PathKind, Paths, RefinerName
from nem2e_tf.errors import InputError


def prepare(
    trials: Annotated[Path, typer.Argument(help="List of trials (.csv).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    data: DataFolder = None,
    paths: Paths = PathKind.exact,
    jobs: Jobs = -1,
    backend: Annotated[Backend, typer.Option(help="Where the processes run.")] = Backend.local,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    as_json: Json = False,
) -> None:
    """Simulate the trials of a list and pair them with their EMG.

    The folder is what training reads. What is prepared already is not made again. Exits with status
    1 if a trial had to be skipped.
    """
    from nem2e_tf.files import check_folder, exclusive_lock, read_trials
    from nem2e_tf.pipeline import preparation

    listed = read_trials(trials, data)
    standard = preparation.Settings.standard(paths)
    settings = standard.without_unmeasured(listed)
    unmeasured = [channel for channel in standard.outputs if channel not in settings.outputs]
    terminal.print_warnings((), [f"no trial has EMG of {name}: left out" for name in unmeasured])
    terminal.import_tensorflow_quietly()
    with (
        exclusive_lock(check_folder(output)),
        terminal.progress_bar("preparing trials") as progress,
    ):
        prepared = preparation.prepare(
            listed,
            output,
            settings,
            jobs=jobs,
            backend=backend,
            scheduler=scheduler,
            progress=progress,
        )
    terminal.print_messages(f"skipped {trial}: {why}" for trial, why in prepared.failed.items())
    if as_json:
        terminal.print_json(prepared.as_json())
    else:
        terminal.print_lines(
            [
                f"wrote {output}: {prepared.made} trials made, {prepared.found} found,"
                f" {len(prepared.failed)} skipped"
            ]
        )
    if prepared.failed:
        raise typer.Exit(1)


def estimate_study(
    trials: Path,
    output: Path,
    data: Path | None,
    refiner: str,
    jobs: int,
    as_json: bool,
    report: Path | None,
    **settings: Any,
) -> None:
    """Run `nem2e estimate --trials`."""
    from nem2e_tf.edge import refiner_folder
    from nem2e_tf.files import check_folder, exclusive_lock, read_trials
    from nem2e_tf.refiner import CARD, Card
    from nem2e_tf.study import batch, summary

    if report is not None and (report.name != str(report) or report.suffix != ".html"):
        raise InputError(
            f"--report {report}: with --trials it is the name of a page in every trial's folder;"
            " name one that ends in .html, without a folder"
        )
    refused: list[summary.Row] = []

    def refuse(subject: str, task: str, label: str, fault: str) -> None:
        refused.append(summary.Row(subject, task, label, fault=fault))

    listed = read_trials(trials, data, refuse)
    card = Card.read(refiner_folder(refiner) / CARD)
    page = "" if report is None else report.name
    common = batch.Settings(refiner, report=page, **settings)
    with exclusive_lock(check_folder(output)):
        with terminal.progress_bar("estimating trials") as progress:
            made = batch.estimate_all(
                listed,
                output,
                common,
                jobs=jobs,
                begin=terminal.import_tensorflow_quietly,
                progress=progress,
            )
        rows = [*made, *refused]
        summary.write_summary(rows, output, trials.stem, card.name)
    failed = [row for row in rows if row.fault]
    terminal.print_messages(f"failed: {r.subject} {r.trial}: {r.fault}" for r in failed)
    if as_json:
        terminal.print_json({"output": str(output), "trials": [row.as_json() for row in rows]})
    else:
        states = [row.state for row in rows]
        terminal.print_lines(
            [
                f"wrote {output}: {states.count('made')} trials made, {states.count('found')}"
                f" found, {len(failed)} failed; {summary.PAGE} and {summary.CSV} are over all"
            ]
        )
    if failed:
        raise typer.Exit(1)


def personalise(
    trials: Annotated[Path, typer.Option(help="List of one person's trials with EMG (.csv).")],
    refiner: RefinerName,
    output: Annotated[Path, typer.Option("--output", "-o", help="Refiner folder to write.")],
    data: DataFolder = None,
    seed: Annotated[int, typer.Option(min=0, help="Order of the training windows.")] = 0,
    jobs: Jobs = -1,
) -> None:
    """Adapt a refiner to one person, from a few measured cycles."""
    from nem2e_tf.files import create_folder, read_trials
    from nem2e_tf.refiner import personalise as personalisation
    from nem2e_tf.refiner import save

    listed = read_trials(trials, data)
    with create_folder(output) as whole:
        loaded = load_refiner(refiner)
        with terminal.progress_bar("preparing trials") as progress:
            pairs = personalisation.prepare_pairs(listed, loaded, jobs=jobs, progress=progress)
        with terminal.progress_bar("adapting") as progress:
            adapted = personalisation.personalise(loaded, pairs, seed=seed, progress=progress)
        save(adapted, whole)
    terminal.print_lines([f"wrote {output}: {adapted.card.summary}"])


def cohort(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")],
    subjects: Annotated[int, typer.Option(min=1, help="How many virtual people.")] = 20,
    tasks: Annotated[str, typer.Option(help="walking, running or both.")] = "walking,running",
    seed: Annotated[int, typer.Option(min=0, help="Another seed gives other people.")] = 1,
    strides: Annotated[int, typer.Option(min=3, help="Strides of each task.")] = 30,
    only: Annotated[
        str | None,
        typer.Option(help="Causes of distortion to switch on, as delay,noise."),
    ] = None,
    without: Annotated[str, typer.Option(help="Causes of distortion to switch off.")] = "",
    raw: Annotated[bool, typer.Option("--raw", help="Write raw EMG too.")] = False,
    jobs: Jobs = -1,
) -> None:
    """Make virtual people who walk and run (synthetic).

    Their EMG differs from the simulation by the causes that make people's differ.
    """
    from nem2e_tf.cohort import Recipe, make_cohort, select_causes
    from nem2e_tf.files import check_folder, exclusive_lock

    active_causes = select_causes(
        None if only is None else _split_names(only), _split_names(without)
    )
    recipe = Recipe(seed, tuple(_split_names(tasks)), strides, active_causes, raw)
    with (
        exclusive_lock(check_folder(output)),
        terminal.progress_bar("making virtual people") as progress,
    ):
        trials = make_cohort(output, subjects, recipe, jobs=jobs, progress=progress)
    terminal.print_lines([f"wrote {trials}"])


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write into.")] = Path(
        "nem2e-demo"
    ),
    refiner: RefinerName = "gait",
) -> None:
    """Refine the walk of a virtual person; needs no data.

    No refiner was fitted on that person. All of it is synthetic.
    """
    from nem2e_tf.cohort import write_demo_walk
    from nem2e_tf.files import check_folder
    from nem2e_tf.signals import score_agreement

    check_folder(output)
    terminal.stdout.print(
        "All of this is synthetic: a virtual person walks, whose own muscles and EMG the"
        " simulation does not know."
    )
    with terminal.progress_bar("simulating") as progress:
        simulated, measured, written = write_demo_walk(output, progress)
    loaded = load_refiner(refiner)
    refined = loaded.refine(simulated)
    what = f"synthetic walk, refined by {loaded.card.name}"
    write_frame(refined, output / "emg.sto", f"EMG envelopes of a {what}")
    plot_refined(simulated, refined, output / "emg.png", what.capitalize(), measured)
    terminal.print_lines(f"wrote {path}" for path in [output / "emg.png", *written])
    terminal.stdout.print(score_agreement(measured, refined, simulated).as_rich())


def _split_names(listed: str) -> list[str]:
    """Names between commas."""
    return [name.strip() for name in listed.split(",") if name.strip()]
