"""Commands on what was measured: `emg`, `scale`, `evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.cli.common import write_frame
from nem2e_tf.cli.options import (
    AnySide,
    End,
    Json,
    MarkerNames,
    MarkerPrefix,
    MuscleMapFile,
    Start,
    Up,
)


def emg(
    raw: Annotated[
        list[Path], typer.Argument(help="Raw EMG of one subject (.sto, .c3d, .csv, .anc).")
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Storage file (.sto), or a folder for several trials."),
    ],
    mvc: Annotated[
        list[Path] | None,
        typer.Option(help="Raw EMG of a maximal voluntary contraction, to normalise by."),
    ] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Channel to keep; all if none.")] = None,
    notch: Annotated[float | None, typer.Option(help="Mains frequency to filter out, Hz.")] = None,
    low: Annotated[float, typer.Option(help="Lower edge of the band-pass, Hz.")] = 20.0,
    high: Annotated[float, typer.Option(help="Upper edge of the band-pass, Hz.")] = 450.0,
    cutoff: Annotated[float, typer.Option(help="Low-pass of the envelope, Hz.")] = 6.0,
) -> None:
    """Make envelopes of raw EMG.

    They are normalised once over all trials given, or by --mvc trials.
    """
    from nem2e_tf.signals import output_paths, process_session

    paths = output_paths(raw, output, mvc or ())
    processed = process_session(
        raw, mvc or (), channels=channel, band=(low, high), cutoff=cutoff, notch=notch
    )
    terminal.print_messages(processed.faults)
    for file, frame in processed.trials.items():
        write_frame(frame, paths[file], f"EMG envelopes of {file.name}")


def scale(
    generic: Annotated[Path, typer.Option(help="Generic model with a marker set (.osim).")],
    static: Annotated[Path, typer.Option(help="Markers of a quiet stance (.trc, .c3d).")],
    mass: Annotated[float, typer.Option(help="Body mass in kilograms.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Scaled model to write (.osim).")],
    height: Annotated[float | None, typer.Option(help="Height in metres, noted only.")] = None,
    up: Up = None,
    marker_names: MarkerNames = None,
    marker_prefix: MarkerPrefix = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Scale a generic model to a subject.

    Segments are scaled and markers placed by the markers of a static trial.
    """
    from nem2e_tf.files import check_output
    from nem2e_tf.simulation import scale_model

    sources = [file for file in (generic, static, marker_names) if file is not None]
    check_output(output, (".osim",), sources)
    with terminal.stderr.status("scaling"):
        scaling = scale_model(
            generic, static, mass, output, height=height, start=start, end=end, up=up,
            marker_names=marker_names, marker_prefix=marker_prefix,
        )  # fmt: skip
    terminal.print_warnings(scaling.warnings())
    if as_json:
        terminal.print_json(scaling.as_json())
    else:
        terminal.print_lines([*scaling.lines(), f"wrote {output}"])


def evaluate(
    measured: Annotated[Path, typer.Option(help="Measured EMG envelopes (.sto).")],
    estimate: Annotated[Path, typer.Option(help="Estimate to score (.sto).")],
    baseline: Annotated[
        Path | None, typer.Option(help="Estimate to beat, such as the raw simulation (.sto).")
    ] = None,
    muscles: MuscleMapFile = None,
    side: AnySide = None,
    start: Start = None,
    end: End = None,
    as_json: Json = False,
) -> None:
    """Score an estimate against measured EMG, muscle by muscle."""
    from nem2e_tf.files import read_storage
    from nem2e_tf.signals import MuscleMap, score_agreement

    result = score_agreement(
        read_storage(measured),
        read_storage(estimate),
        None if baseline is None else read_storage(baseline),
        muscles=MuscleMap.load(muscles),
        side=side,
        start=start,
        end=end,
    )
    if as_json:
        terminal.print_json(result.as_json())
    else:
        terminal.stdout.print(result.as_rich())
