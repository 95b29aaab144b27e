"""Commands on one recording: `estimate`, `report`, `simulate`, `refine`, `stream`, `distortion`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.cli.common import PAGES, PLOTS, load_refiner, plot_refined, write_frame
from nem2e_tf.cli.options import (
    AnySide,
    DataFolder,
    End,
    IKTasks,
    Interval,
    Jobs,
    Json,
    Loads,
    MarkerNames,
    MarkerPrefix,
    Markers,
    Model,
    ModelOfOne,
    Moments,
    Motion,
    MuscleMapFile,
    OneSide,
    Output,
    PathKind,
    Paths,
    Plot,
    RefinerName,
    Runtime,
    RuntimeName,
    Side,
    Solver,
    SolverName,
    Start,
    Trials,
    Up,
)
from nem2e_tf.cli.study import estimate_study
from nem2e_tf.errors import InputError
from nem2e_tf.files import check_output

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.simulation import Verdict


def estimate(
    refiner: RefinerName,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Storage file (.sto), or a folder for all of the result."
        ),
    ],
    model: ModelOfOne = None,
    motion: Motion = None,
    markers: Markers = None,
    moments: Moments = None,
    loads: Loads = None,
    ik_tasks: IKTasks = None,
    up: Up = None,
    names: MarkerNames = None,
    prefix: MarkerPrefix = None,
    emg: Annotated[
        Path | None, typer.Option(help="Measured EMG envelopes to set beside the result (.sto).")
    ] = None,
    muscles: MuscleMapFile = None,
    start: Start = None,
    end: End = None,
    side: OneSide = Side.right,
    solver: SolverName = Solver.static,
    paths: Paths = PathKind.exact,
    interval: Interval = False,
    runtime: RuntimeName = Runtime.keras,
    plot: Plot = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Page to write (.html); with --trials its name in every folder."),
    ] = None,
    trials: Trials = None,
    data: DataFolder = None,
    jobs: Jobs = -1,
    as_json: Json = False,
) -> None:
    """Estimate EMG envelopes from a recorded motion: simulate, then refine.

    With --trials, from all recordings of a study, each into a folder of its own, with a summary.
    What is there already is not made again; exits with status 1 if a trial has no result.
    """
    from nem2e_tf.files import write_storage
    from nem2e_tf.report import write_report
    from nem2e_tf.simulation import Recording
    from nem2e_tf.study import estimation

    if trials is not None:
        of_one = {
            "model": model, "motion": motion, "markers": markers, "moments": moments,
            "loads": loads, "ik-tasks": ik_tasks, "up": up, "marker-names": names,
            "marker-prefix": prefix, "emg": emg, "start": start,
            "end": end, "plot": plot,
        }  # fmt: skip
        for option, given in of_one.items():
            if given is not None:
                raise InputError(
                    f"--trials and --{option} are both given; the list says it of every trial"
                )
        estimate_study(
            trials, output, data, refiner, jobs, as_json,
            side=side, solver=solver, paths=paths, runtime=runtime, muscles=muscles, report=report,
        )  # fmt: skip
        return
    if model is None:
        raise InputError("neither --trials nor --model is given; name one of them")
    recording = Recording(motion, markers, moments, loads, ik_tasks, up, names, prefix)
    request = estimation.Request(
        model, recording, refiner, side, start, end, solver, paths, runtime, emg, muscles
    )
    alone = output.suffix != ""
    if alone:
        check_output(output, (".sto",), request.files.values())
    if plot is not None:
        check_output(plot, PLOTS, request.files.values())
    if report is not None:
        check_output(report, PAGES, request.files.values())
    made = (estimation.estimate if alone else partial(estimation.estimate_to_folder, output))(
        request,
        load_refiner=lambda name, runs: load_refiner(name, interval, Runtime(runs)),
        stages=terminal.progress_bar,
    )
    facts = made.facts
    title = f"{facts.name}, refined by {facts.refiner.name}"
    shown = made.bounds if interval else made.bounds[[]]
    if alone:
        write_storage(made.refined.join(shown), output, f"EMG envelopes of {title}")
    if plot is not None:
        plot_refined(made.simulated, made.refined, plot, title, made.measured, shown)
    if report is not None:
        write_report(made, report)
    scores = {} if facts.scores is None else {"scores": facts.scores.model_dump()}
    written = {"output": output, "plot": plot, "report": report}
    _conclude(
        facts.verdict, facts.marker_error_table(), written, as_json, facts.unfamiliar,
        model=model, solver=solver, paths=paths, refiner=facts.refiner.name,
        unlike=facts.unfamiliar, **scores,
    )  # fmt: skip


def report(
    folder: Annotated[Path, typer.Argument(help="Result of a trial, from estimate.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write (.html).")],
) -> None:
    """Write a page that says what a trial's result is, and how far to trust it."""
    from nem2e_tf.report import read_result, write_report

    check_output(output, PAGES)
    write_report(read_result(folder), output)
    terminal.print_lines([f"wrote {output}"])


def simulate(
    model: Model,
    output: Output,
    motion: Motion = None,
    markers: Markers = None,
    moments: Moments = None,
    loads: Loads = None,
    ik_tasks: IKTasks = None,
    up: Up = None,
    names: MarkerNames = None,
    prefix: MarkerPrefix = None,
    start: Start = None,
    end: End = None,
    side: OneSide = Side.right,
    solver: SolverName = Solver.static,
    paths: Paths = PathKind.exact,
    as_json: Json = False,
) -> None:
    """Simulate the activity of all muscles of a leg, and its reserve actuators."""
    from nem2e_tf.files import write_storage
    from nem2e_tf.simulation import Recording, load_leg, simulate_recording

    recording = Recording(motion, markers, moments, loads, ik_tasks, up, names, prefix)
    check_output(output, (".sto",), (model, *recording.files))
    simulation = simulate_recording(
        load_leg(model, side), recording, start=start, end=end, solver=solver, paths=paths,
        stages=terminal.progress_bar,
    )  # fmt: skip
    write_storage(simulation.activity, output, f"Simulated muscle activity of {recording.name}")
    _conclude(
        simulation.verdict, simulation.marker_errors, {"output": output}, as_json,
        model=model, solver=solver, paths=paths,
    )  # fmt: skip


def refine(
    simulated: Annotated[Path, typer.Argument(help="Simulated activity (.sto).")],
    refiner: RefinerName,
    output: Output,
    side: AnySide = None,
    interval: Interval = False,
    runtime: RuntimeName = Runtime.keras,
    plot: Plot = None,
) -> None:
    """Refine simulated muscle activity into EMG envelopes."""
    from nem2e_tf.files import read_storage

    check_output(output, (".sto",), (simulated,))
    if plot is not None:
        check_output(plot, PLOTS, (simulated,))
    activity = read_storage(simulated)
    trained = load_refiner(refiner, interval, runtime)
    refined = trained.refine(activity, side)
    bounds = trained.interval(refined) if interval else refined[[]]
    terminal.print_warnings(trained.unfamiliar_inputs(activity, side))
    write_frame(refined.join(bounds), output, f"EMG envelopes refined by {trained.card.name}")
    if plot is not None:
        title = f"{simulated.name}, refined by {trained.card.name}"
        plot_refined(activity, refined, plot, title, bounds=bounds)
        terminal.print_lines([f"wrote {plot}"])


def stream(
    refiner: RefinerName = "stream",
    runtime: RuntimeName = Runtime.tflite_int8,
    side: AnySide = None,
) -> None:
    """Refine lines of standard input as they come, and write lines to standard output.

    The first line names the columns, `time` and muscles as in a storage file, between commas; every
    other is a sample. Lines that come at other times than the refiner's are interpolated.
    """
    from nem2e_tf.refiner.stream import stream_lines

    trained = load_refiner(refiner, runtime=runtime)
    # Bytes that are no text make a line that is no sample.
    with open(0, encoding="utf-8", errors="replace", closefd=False) as entries:
        told: Callable[[str], None] = lambda sentence: terminal.print_warnings([sentence])  # noqa: E731
        for line in stream_lines(trained, entries, side, told):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def distortion(
    simulated: Annotated[Path, typer.Argument(help="Simulated activity of some cycles (.sto).")],
    refiner: RefinerName,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write (.png, .pdf, .svg).")
    ],
    truth: Annotated[
        Path | None, typer.Option(help="Measured EMG or true excitation to set beside (.sto).")
    ] = None,
    side: AnySide = None,
    as_json: Json = False,
) -> None:
    """Draw what a refiner does to timing: its attention, and how late each muscle was simulated."""
    from nem2e_tf.files import read_storage
    from nem2e_tf.refiner.distortion import measure_distortion as find
    from nem2e_tf.report import plot_distortion

    files = [path for path in (simulated, truth) if path is not None]
    check_output(output, PLOTS, files)
    activity, *compared = (read_storage(path) for path in files)
    trained = load_refiner(refiner)
    found = find(trained, activity, side, *compared)
    terminal.print_warnings(trained.unfamiliar_inputs(activity, side))
    plot_distortion(found, output, f"{simulated.name}, refined by {trained.card.name}")
    if as_json:
        terminal.print_json({"output": str(output), **found.as_json()})
    else:
        terminal.print_lines([*found.lines(), f"wrote {output}"])


def _conclude(
    verdict: "Verdict",
    errors: "pd.DataFrame | None",
    written: Mapping[str, Path | None],
    as_json: bool,
    warnings: Sequence[str] = (),
    **facts: object,
) -> None:
    """Say what was made, and first what is to be known of it."""
    from nem2e_tf.simulation import errors_as_rich

    terminal.print_warnings([*warnings, *verdict.warnings()], verdict.notes())
    if as_json:
        told = {} if errors is None else {"marker_errors": errors.to_dict("index")}
        terminal.print_json(verdict.report(**written, **facts, **told))
        return
    if errors is not None:
        terminal.screen.print(errors_as_rich(errors))
    terminal.print_lines(f"wrote {path}" for path in written.values() if path is not None)
