"""A small fit in a process of its own.

`python -m tests.training.fit_worker SHARDS WORK STRATEGY WEIGHTS`

The strategy is `none`, `mirrored` or `multiworker`; the weights go into an .npz file.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from nem2e_tf.cli import terminal
from nem2e_tf.pipeline import Shards
from training.experiment import Experiment, Part
from training.fit import fit

EXPERIMENT: dict[str, Any] = {
    "name": "tiny", "summary": "test", "unit": "test", "trials": "trials.csv",
    "tasks": ["walking"], "blocks": {"fit": (0.0, 0.6), "test": (0.62, 1.0)},
    "window": 0.5, "hop": 0.1, "batch": 16, "steps": 8, "epochs": 4,
    "free_running_from": 0, "learning_rate": 0.01, "seed": 1,
    "network": {
        "encoder_units": 6, "decoder_units": 8, "attention_units": 6, "dropout": 0.0,
        "frames": 4, "reach": 3,
    },
}  # fmt: skip
"""Without dropout and scheduled sampling: every replica draws those alike."""


def main(shards: Path, work: Path, strategy: str, weights: Path) -> None:
    """Fit, and save the weights."""
    terminal.import_tensorflow_quietly()
    from training.strategy import make_strategy

    spread = None if strategy == "none" else make_strategy(strategy)
    parts = [Part(Shards.open(shards), (0.0, 0.6))]
    refiner = fit(Experiment.model_validate(EXPERIMENT), parts, work, strategy=spread)
    np.savez(weights, *refiner.model.get_weights())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
