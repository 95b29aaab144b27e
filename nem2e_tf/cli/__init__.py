"""The command `nem2e`: what the library does, from files to files."""

from importlib.metadata import entry_points
from typing import Annotated, NoReturn

import typer

import nem2e_tf
from nem2e_tf.cli import data, measuring, recording, refining, study, terminal

GROUP = "nem2e_tf.commands"
"""Entry points of commands from above the library, which does not import them: setup.cfg."""

app = terminal.make_app("Muscle activity from human motion.", completion=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        terminal.print_lines([f"nem2e {nem2e_tf.__version__}"])
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Muscle activity from human motion."""


for command in (
    study.demo,
    recording.estimate,
    recording.report,
    recording.simulate,
    refining.refine,
    refining.distortion,
    refining.stream,
    measuring.evaluate,
    measuring.emg,
    measuring.scale,
    study.prepare,
    study.personalise,
    study.cohort,
):
    app.command()(command)
for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
    app.command(point.name)(point.load())
app.add_typer(data.app, name="data")


def main() -> NoReturn:
    """Run `nem2e`."""
    terminal.run(app)
