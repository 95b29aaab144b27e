"""An experiment: one small YAML file that says what a refiner is fitted on, and how."""

import os
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from nem2e_tf.dataset import Augmentation
from nem2e_tf.errors import InputError, nearest
from nem2e_tf.files import check_input
from nem2e_tf.preparation import Settings, prepare
from nem2e_tf.refiner import Source
from nem2e_tf.shards import Pair, Shards
from nem2e_tf.terminal import progress_bar
from nem2e_tf.trials import read_trials

REPOSITORY = Path(__file__).resolve().parent.parent
CONFIGS = REPOSITORY / "training" / "configs"
RUNS = REPOSITORY / "runs"
"""What training keeps between runs: simulations, checkpoints, logs."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Blocks(BaseModel):
    """Shares of every trial's length, in time order, so that no window lies in two of them.

    Args:
        fit: what the weights are fitted on.
        stop: what tells when to stop, and how strong the ridge regression's penalty is.
        test: what is scored, seen by nothing before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fit: tuple[Share, Share]
    stop: tuple[Share, Share]
    test: tuple[Share, Share]

    @model_validator(mode="after")
    def _apart(self) -> "Blocks":
        edges = [*self.fit, *self.stop, *self.test]
        if edges != sorted(edges) or any(a >= b for a, b in (self.fit, self.stop, self.test)):
            raise ValueError("fit, stop and test must follow in this order without overlap")
        return self


class Experiment(BaseModel):
    """What a refiner is fitted on, and how.

    Args:
        name: of the refiner.
        summary: what the refiner is for, and its limits; goes onto its card.
        unit: what an envelope of 1 means; goes onto its card.
        trials: list of trials, a CSV beside this file's folder.
        task: the trials of that list to use.
        synthetic: whether the recordings are of virtual people.
        blocks: see `Blocks`.
        window: seconds that the network sees at once.
        hop: seconds from one training window to the next.
        batch: windows of a training step.
        epochs: passes over the data, at most.
        patience: passes without a better `stop` block before fitting ends, counted once the
            decoder has no teacher.
        free_running_from: the pass from which the decoder has no teacher.
        learning_rate: at the start; falls to zero along a cosine.
        seed: of weights, dropout and the order of windows.
        network: arguments of `nem2e_tf.stdr_net.stdr_net`.
        augmentation: random changes of the windows that are fitted on, and of no others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str
    unit: str
    trials: str
    task: str
    synthetic: bool
    blocks: Blocks
    window: PositiveFloat
    hop: PositiveFloat
    batch: PositiveInt
    epochs: PositiveInt
    patience: PositiveInt
    free_running_from: PositiveInt
    learning_rate: PositiveFloat
    seed: int
    network: dict[str, Any] = {}
    augmentation: Augmentation | None = None

    def prepare(self, data: Path | None, config: Path) -> Shards:
        """Simulate the trials and pair them with their EMG, or find that done.

        Raises:
            InputError: there is no such trial, or one of them cannot be prepared.
        """
        trials = read_trials(config.parent / self.trials, data or data_folder())
        chosen = [trial for trial in trials if trial.task == self.task]
        if not chosen:
            closest = nearest(self.task, [trial.task for trial in trials])
            raise InputError(f"{config}: no trial with the task '{self.task}'; {closest}")
        with progress_bar("simulating trials") as progress:
            prepared = prepare(chosen, RUNS / "shards", Settings.standard(), progress=progress)
        for trial, fault in prepared.failed.items():
            raise InputError(f"{trial}: {fault}")
        return prepared.shards

    def sources(self, pairs: list[Pair]) -> list[Source]:
        """What of the pairs the fit has seen, for the card."""
        seen = [r.block(self.blocks.fit[0], self.blocks.stop[1]) for r in pairs]
        return [
            Source(
                subject=r.subject, task=r.task, synthetic=self.synthetic,
                start=round(float(r.simulated.index[0]), 3),
                end=round(float(r.simulated.index[-1]), 3),
            )
            for r in seen
        ]  # fmt: skip


def read_experiment(path: str | os.PathLike[str]) -> Experiment:
    """Read an experiment; `InputError` names the first setting that is wrong."""
    path = check_input(path, "an experiment")
    try:
        return Experiment.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise InputError(f"{path}: {place}: {first['msg']}") from None


def data_folder() -> Path:
    """Folder of the recordings: `NEM2E_DATA`, else `../shared/data` beside the checkout."""
    return Path(os.environ.get("NEM2E_DATA") or REPOSITORY.parent / "shared" / "data")
