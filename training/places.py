"""Where experiments, recordings and results lie: in a checkout, and installed."""

import os
from pathlib import Path

from nem2e_tf.errors import InputError

REPOSITORY = Path(__file__).resolve().parent.parent
"""The top of the checkout; of an installed package, its own folder."""
IS_CHECKOUT = (REPOSITORY / "setup.cfg").is_file()
CONFIGS = Path(__file__).resolve().parent / "configs"
"""Experiments of the shipped refiners."""
EVALUATION = Path(__file__).resolve().parent / "evaluation" / "evaluation.yaml"
"""How networks are fitted to be compared, and on whom."""
RUNS = (REPOSITORY if IS_CHECKOUT else Path()) / "runs"
"""What training keeps between runs: simulations, checkpoints, logs. In the current folder where the
package is installed."""


def find_config(config: Path) -> Path:
    """The file of an experiment, which may be given by the name of a shipped one."""
    named = CONFIGS / f"{config}.yaml"
    return named if not config.is_file() and named.is_file() else config


def default_folder(refiner: str) -> Path:
    """Where a refiner is written unless told otherwise: `saved_models/` of a checkout, or here."""
    return (REPOSITORY / "saved_models" if IS_CHECKOUT else Path()) / refiner


def find_data_folder() -> Path | None:
    """Folder of the recordings: `NEM2E_DATA`, or `../shared/data` beside a checkout.

    None where there is neither; the files of a list of trials then lie beside the list.
    """
    named = os.environ.get("NEM2E_DATA")
    if named:
        return Path(named)
    beside = REPOSITORY.parent / "shared" / "data"
    return beside if IS_CHECKOUT and beside.is_dir() else None


def data_folder() -> Path:
    """The same; `InputError` where there is none."""
    folder = find_data_folder()
    if folder is None:
        raise InputError("no folder of recordings; name it with --data or in NEM2E_DATA")
    return folder
