"""The command `nem2e fit`.

`nem2e --help` imports this module, so what the command needs is imported when it runs.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Strategy(StrEnum):
    """Over what `tf.distribute` spreads a fit."""

    mirrored = "mirrored"
    multiworker = "multiworker"


def fit(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="The experiment (.yaml), or the name of a shipped one: walking, running, gait,"
            " stream.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o",
            help="Refiner folder to write; if left out, one named as the experiment is (in a"
            " checkout in saved_models/).",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the recordings; if left out, that of NEM2E_DATA, or else the list's."
        ),
    ] = None,
    strategy: Annotated[
        Strategy | None,
        typer.Option(
            help="Share every batch among the devices of this machine, or among the workers of"
            " TF_CONFIG, each of which runs this command."
        ),
    ] = None,
) -> None:  # fmt: skip
    """Fit a refiner on recorded trials.

    Simulates the trials, fits STDR-Net and writes a refiner folder. Simulations and checkpoints are
    kept in runs/; interrupted, the command goes on from the last whole epoch.
    """
    from .fit import run

    run(config, output, data, strategy)
