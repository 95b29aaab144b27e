"""The picture of the README: `python -m training.evaluation.shipped_figure` draws it.

Mean gait cycles of the recorded walking, measured, simulated and refined by `walking`, over
the part of the recording that the refiner was not fitted on.
"""

from pathlib import Path
from typing import Annotated

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.files import read_trials
from nem2e_tf.refiner import load
from nem2e_tf.refiner.personalise import prepare_pairs

from ..experiment import read_experiment
from ..places import CONFIGS, REPOSITORY, data_folder
from .protocols import REAL
from .results import REFINED
from .results_figures import draw_mean_cycles
from .scoring import Method, ScoredRecording, Section
from .shipped_scores import refine_pair

REFINER = "walking"

app = terminal.make_app("Draw mean gait cycles of the recorded person, refined by `walking`.")


@app.command()
def main(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to write the .png.")
    ] = REPOSITORY / "docs" / "walking.png",
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
) -> None:
    """Simulate the recorded walking, refine it, and draw mean gait cycles of its later part."""
    draw_mean_cycles(later_walking(data or data_folder()), output)
    terminal.print_lines([f"wrote {output}"])


def later_walking(data: Path) -> Section:
    """The recorded walking that the fit of `walking` did not use, raw and refined.

    Args:
        data: path. Folder of the recordings.
    """
    refiner, experiment = load(REFINER), read_experiment(CONFIGS / f"{REFINER}.yaml")
    trials = read_trials(CONFIGS / "trials.csv", data)
    pairs = prepare_pairs([trial for trial in trials if trial.task == REFINER], refiner, jobs=1)
    methods = {
        "raw": Method(lambda pair: pair.simulated),
        REFINED: Method(lambda pair: refine_pair(refiner, pair)),
    }
    tested = [
        ScoredRecording.from_pair(pair.block(*experiment.blocks.test), methods, True)
        for pair in pairs
    ]
    title = "walking, later part of the recording"
    return Section("block", title, REAL, True, tested, dict.fromkeys(methods))


if __name__ == "__main__":
    terminal.run(app)
