"""Commands from a recording to a result: `estimate`, `simulate`, `report`."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.cli.common import PAGES, PLOTS, load_refiner, plot_refined, print_result
from nem2e_tf.cli.options import (
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


def estimate(
    *,
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
    side: OneSide = Side.right,
    start: Start = None,
    end: End = None,
    refiner: RefinerName,
    solver: SolverName = Solver.static,
    paths: Paths = PathKind.exact,
    runtime: RuntimeName = Runtime.keras,
    interval: Interval = False,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Storage file (.sto), or a folder for all of the result."
        ),
    ],
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
    """Estimate EMG envelopes from a recorded motion.

    It simulates muscle activity, then refines it. With --trials, from all recordings of a study,
    each into its own folder, with a summary. Results that are there already are not made again;
    exits with status 1 if a trial has no result.
    """
    from nem2e_tf.files import check_output, write_storage
    from nem2e_tf.report import write_report
    from nem2e_tf.simulation import Recording
    from nem2e_tf.study import estimation

    if trials is not None:
        options_of_one = {
            "model": model, "motion": motion, "markers": markers, "moments": moments,
            "loads": loads, "marker-names": names, "marker-prefix": prefix, "emg": emg,
            "start": start,
            "end": end, "plot": plot,
        }  # fmt: skip
        for option, value in options_of_one.items():
            if value is not None:
                raise InputError(
                    f"--trials and --{option} are both given; the list says it of every trial"
                )
        estimate_study(
            trials, output, data, refiner, jobs, as_json,
            side=side, solver=solver, paths=paths, runtime=runtime, muscles=muscles, report=report,
            ik_tasks=ik_tasks, up=up,
        )  # fmt: skip
        return
    if model is None:
        raise InputError("neither --trials nor --model is given; name one of them")
    recording = Recording(motion, markers, moments, loads, ik_tasks, up, names, prefix)
    request = estimation.Request(
        model, recording, refiner, side, start, end, solver, paths, runtime, emg, muscles
    )
    is_file = output.suffix != ""
    if is_file:
        check_output(output, (".sto",), request.files.values())
    if plot is not None:
        check_output(plot, PLOTS, request.files.values())
    if report is not None:
        check_output(report, PAGES, request.files.values())
    result = (estimation.estimate if is_file else partial(estimation.estimate_to_folder, output))(
        request,
        load_refiner=lambda name, runs: load_refiner(name, interval, runs),
        stages=terminal.progress_bar,
    )
    facts = result.facts
    title = f"{facts.name}, refined by {facts.refiner.name}"
    bounds = result.bounds if interval else result.bounds[[]]
    if is_file:
        write_storage(result.refined.join(bounds), output, f"EMG envelopes of {title}")
    if plot is not None:
        plot_refined(result.simulated, result.refined, plot, title, result.measured, bounds)
    if report is not None:
        write_report(result, report)
    scores = {} if facts.scores is None else {"scores": facts.scores.model_dump()}
    files = {"output": output, "plot": plot, "report": report}
    print_result(
        facts.verdict, facts.marker_error_table(), files, as_json, facts.unfamiliar,
        model=model, solver=solver, paths=paths, refiner=facts.refiner.name,
        unlike=facts.unfamiliar, **scores,
    )  # fmt: skip


def simulate(
    *,
    model: Model,
    motion: Motion = None,
    markers: Markers = None,
    moments: Moments = None,
    loads: Loads = None,
    ik_tasks: IKTasks = None,
    up: Up = None,
    names: MarkerNames = None,
    prefix: MarkerPrefix = None,
    side: OneSide = Side.right,
    start: Start = None,
    end: End = None,
    solver: SolverName = Solver.static,
    paths: Paths = PathKind.exact,
    output: Output,
    as_json: Json = False,
) -> None:
    """Simulate the activity of all muscles of a leg.

    The file also has the moment that each reserve actuator had to add.
    """
    from nem2e_tf.files import check_output, write_storage
    from nem2e_tf.simulation import Recording, load_leg, simulate_recording

    recording = Recording(motion, markers, moments, loads, ik_tasks, up, names, prefix)
    check_output(output, (".sto",), (model, *recording.files))
    simulation = simulate_recording(
        load_leg(model, side), recording, start=start, end=end, solver=solver, paths=paths,
        stages=terminal.progress_bar,
    )  # fmt: skip
    write_storage(simulation.activity, output, f"Simulated muscle activity of {recording.name}")
    print_result(
        simulation.verdict, simulation.marker_errors, {"output": output}, as_json,
        model=model, solver=solver, paths=paths,
    )  # fmt: skip


def report(
    *,
    folder: Annotated[Path, typer.Argument(help="Result of a trial, from estimate.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Page to write (.html).")],
) -> None:
    """Write a page about a trial's result and how far to trust it."""
    from nem2e_tf.files import check_output
    from nem2e_tf.report import read_result, write_report

    check_output(output, PAGES)
    write_report(read_result(folder), output)
    terminal.print_lines([f"wrote {output}"])
