"""What several commands do in the same way."""

from pathlib import Path
from typing import TYPE_CHECKING

from nem2e_tf.cli import terminal
from nem2e_tf.cli.options import Runtime

if TYPE_CHECKING:
    import pandas as pd

    from nem2e_tf.refiner import Refiner

PLOTS = (".png", ".pdf", ".svg")
PAGES = (".html",)


def load_refiner(
    refiner: str, interval: bool = False, runtime: Runtime = Runtime.keras
) -> "Refiner":
    """A refiner, loaded quietly; refused at once if intervals are asked of one that has none."""
    from nem2e_tf.refiner import load

    with terminal.console.status("loading the refiner"):
        if runtime in (Runtime.keras, Runtime.savedmodel):
            terminal.quiet_tensorflow()
        with terminal.without_native_notes():
            trained = load(refiner, runtime)
    if interval:
        trained.offsets()  # refused here, before anything is simulated
    return trained


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
    """Draw the simulation, what became of it and, where given, what was measured."""
    from nem2e_tf.report import plot_activity

    plot_activity(simulated, refined, path, title, measured, bounds)
