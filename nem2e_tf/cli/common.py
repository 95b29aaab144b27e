"""What several commands do in the same way."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nem2e_tf.cli import terminal
from nem2e_tf.cli.options import Runtime

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.refiner import Refiner
    from nem2e_tf.simulation import Verdict

PLOTS = (".png", ".pdf", ".svg")
PAGES = (".html",)


def load_refiner(refiner: str, interval: bool = False, runtime: str = Runtime.keras) -> "Refiner":
    """Load a refiner quietly; refuse at once if intervals are asked of one that has none."""
    from nem2e_tf.refiner import load

    with terminal.stderr.status("loading the refiner"):
        if runtime in (Runtime.keras, Runtime.savedmodel):
            terminal.import_tensorflow_quietly()
        with terminal.silence_native_code():
            loaded = load(refiner, runtime)
    if interval:
        loaded.offsets()  # refused here, before anything is simulated
    return loaded


def write_frame(frame: "pd.DataFrame", path: Path, title: str) -> None:
    """Write a storage file and say so."""
    from nem2e_tf.files import write_storage

    write_storage(frame, path, title)
    terminal.print_lines([f"wrote {path}"])


def plot_refined(
    simulated: "pd.DataFrame",
    refined: "pd.DataFrame",
    path: Path,
    title: str,
    measured: "pd.DataFrame | None" = None,
    bounds: "pd.DataFrame | None" = None,
) -> None:
    """Draw simulated, refined and, where given, measured activity."""
    from nem2e_tf.report import plot_activity

    plot_activity(simulated, refined, path, title, measured, bounds)


def print_result(
    verdict: "Verdict",
    marker_errors: "pd.DataFrame | None",
    files: Mapping[str, Path | None],
    as_json: bool,
    warnings: Sequence[str] = (),
    **facts: object,
) -> None:
    """Print warnings, then what was written, or all of it as one JSON object."""
    from nem2e_tf.simulation import errors_as_rich

    terminal.print_warnings([*warnings, *verdict.warnings()], verdict.notes())
    if as_json:
        markers = {} if marker_errors is None else {"marker_errors": marker_errors.to_dict("index")}
        terminal.print_json(verdict.report(**files, **facts, **markers))
        return
    if marker_errors is not None:
        terminal.stdout.print(errors_as_rich(marker_errors))
    terminal.print_lines(f"wrote {path}" for path in files.values() if path is not None)
