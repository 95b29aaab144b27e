"""Commands that refine simulated activity: `refine`, `stream`, `distortion`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.cli.common import PLOTS, load_refiner, plot_refined, write_frame
from nem2e_tf.cli.options import (
    AnySide,
    Interval,
    Json,
    Output,
    Plot,
    RefinerName,
    Runtime,
    RuntimeName,
    StreamRuntime,
)


def refine(
    *,
    simulated: Annotated[Path, typer.Argument(help="Simulated activity (.sto).")],
    refiner: RefinerName,
    side: AnySide = None,
    runtime: RuntimeName = Runtime.keras,
    interval: Interval = False,
    output: Output,
    plot: Plot = None,
) -> None:
    """Refine simulated muscle activity into EMG envelopes."""
    from nem2e_tf.files import check_output, read_storage

    check_output(output, (".sto",), (simulated,))
    if plot is not None:
        check_output(plot, PLOTS, (simulated,))
    activity = read_storage(simulated)
    loaded = load_refiner(refiner, interval, runtime)
    refined = loaded.refine(activity, side)
    bounds = loaded.interval(refined) if interval else refined[[]]
    terminal.print_warnings(loaded.unfamiliar_inputs(activity, side))
    write_frame(refined.join(bounds), output, f"EMG envelopes refined by {loaded.card.name}")
    if plot is not None:
        title = f"{simulated.name}, refined by {loaded.card.name}"
        plot_refined(activity, refined, plot, title, bounds=bounds)
        terminal.print_lines([f"wrote {plot}"])


def stream(
    *,
    refiner: RefinerName = "stream",
    side: AnySide = None,
    runtime: Annotated[
        StreamRuntime,
        typer.Option(help="What runs the network; auto is the fastest that is installed."),
    ] = StreamRuntime.auto,
) -> None:
    """Refine a stream of samples, line by line.

    Reads standard input and writes standard output. The first line names the columns, `time` and
    muscles as in a storage file, between commas; every other is a sample. Samples at other times
    than the refiner's are interpolated.
    """
    from nem2e_tf.edge import refiner_folder
    from nem2e_tf.refiner.runtimes import choose_stream_runtime
    from nem2e_tf.refiner.stream import stream_lines

    chosen: str = runtime
    if runtime is StreamRuntime.auto:
        chosen = choose_stream_runtime(refiner_folder(refiner))
    loaded = load_refiner(refiner, runtime=chosen)

    def warn(sentence: str) -> None:
        terminal.print_warnings([sentence])

    # Bytes that are not text make a line that is not a sample.
    with open(0, encoding="utf-8", errors="replace", closefd=False) as lines:
        for number, line in enumerate(stream_lines(loaded, lines, side, warn)):
            if number == 0 and runtime is StreamRuntime.auto:
                terminal.print_warnings((), [f"runtime {chosen}"])
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


def distortion(
    *,
    simulated: Annotated[Path, typer.Argument(help="Simulated activity of some cycles (.sto).")],
    truth: Annotated[
        Path | None, typer.Option(help="Measured EMG or true excitation to set beside (.sto).")
    ] = None,
    refiner: RefinerName,
    side: AnySide = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write (.png, .pdf, .svg).")
    ],
    as_json: Json = False,
) -> None:
    """Draw how a refiner changes timing.

    The picture has its attention weights and the delay of each muscle.
    """
    from nem2e_tf.files import check_output, read_storage
    from nem2e_tf.refiner.distortion import measure_distortion
    from nem2e_tf.report import plot_distortion

    files = [path for path in (simulated, truth) if path is not None]
    check_output(output, PLOTS, files)
    activity, *compared = (read_storage(path) for path in files)
    loaded = load_refiner(refiner)
    found = measure_distortion(loaded, activity, side, *compared)
    terminal.print_warnings(loaded.unfamiliar_inputs(activity, side))
    plot_distortion(found, output, f"{simulated.name}, refined by {loaded.card.name}")
    if as_json:
        terminal.print_json({"output": str(output), **found.as_json()})
    else:
        terminal.print_lines([*found.lines(), f"wrote {output}"])
