"""Fit a refiner: `python -m training.fit training/configs/walking.yaml`."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nem2e_tf.cli import terminal
from nem2e_tf.edge import MANIFEST
from nem2e_tf.files import UNFINISHED_PREFIX, check_folder, exclusive_lock
from nem2e_tf.pipeline import Scales, channel_maxima, maxima_by_person
from nem2e_tf.pipeline.windows import make_windows
from nem2e_tf.refiner import CARD, Refiner
from nem2e_tf.refiner.runtimes import WEIGHTS, write_keras_model
from nem2e_tf.signals import RATE

from .calibration import calibrated
from .cards import card_of, median, unit
from .evaluation.overground import overground
from .evaluation.shipped import card_scores
from .experiment import EVALUATION, REPOSITORY, RUNS, Experiment, Part, data_folder, read_experiment

if TYPE_CHECKING:
    import tensorflow as tf

WEIGHT_DECAY = 1e-4
AVERAGING = 0.99
"""Momentum of the running average of weights that a refiner keeps."""


class Spread(StrEnum):
    """Over what `tf.distribute` spreads a fit."""

    mirrored = "mirrored"
    multiworker = "multiworker"


app = terminal.application("Fit a refiner on recorded trials.")


def fit(
    experiment: Experiment,
    teaching: Sequence[Part],
    work: Path,
    *,
    network: Callable[..., Any] | None = None,
    judging: Part | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
) -> Refiner:
    """Fit a network on parts of recordings.

    Interrupted, it goes on from the last whole epoch when it is called again with the same `work`,
    and ends with the weights that it would have had.

    Args:
        experiment: Experiment.
        teaching: what the weights are fitted on. Where the first part is one person's in one task,
            the card's maxima are theirs; else envelopes are shares of a maximum.
        work: path. Folder for the checkpoint and `log.csv`.
        network: function of inputs and outputs that builds another network than STDR-Net.
        judging: what the log's `val_loss` is of. It changes nothing.
        strategy: tf.distribute.Strategy or None. A batch is shared among its replicas.

    Returns:
        Refiner, its weights averaged over the last steps and of 8 bits, its card without scores.
    """
    import keras
    import tensorflow as tf

    from nem2e_tf.network.stdr_net import stdr_net
    from nem2e_tf.network.step_graphs import round_weights

    from .losses import LOSSES
    from .strategy import Backup, Trainer, is_chief, split_by_batch

    strategy = strategy or tf.distribute.get_strategy()
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(experiment.seed)
    pairs = [part.pairs() for part in teaching]
    inputs = experiment.inputs or list(pairs[0][0].simulated.columns)
    input_maximum = median(
        [channel_maxima([p.inputs(inputs).abs()]) for part in pairs for p in part]
    )
    scales = maxima_by_person(p for part in pairs for p in part)

    def cut(part: Part, scales: Scales, **options: Any) -> Any:
        dataset = make_windows(
            part.shards, input_maximum, scales, block=part.block,
            frames=round(experiment.window * RATE), hop=round(experiment.hop * RATE),
            **options,
        )  # fmt: skip
        return dataset.map(lambda x, y, mask: ({"simulated": x, "measured": y}, y, mask))

    taught = tf.data.Dataset.sample_from_datasets(
        [
            cut(part, scales, batch=None, seed=experiment.seed,
                augmentation=experiment.augmentation).repeat()
            for part in teaching
        ],
        [part.weight for part in teaching],
        seed=experiment.seed,
    )  # fmt: skip
    # An interrupted fit goes on with the windows that would have come.
    backup = Backup(work / "backup", strategy)
    taught = taught.skip(backup.epochs * experiment.steps * experiment.batch)
    taught = taught.batch(experiment.batch, drop_remainder=True).prefetch(tf.data.AUTOTUNE)
    judged = None
    if judging is not None:
        judged = cut(judging, scales | maxima_by_person(judging.pairs()), batch=experiment.batch)
    build = network or partial(stdr_net, **experiment.network)
    with strategy.scope():
        model = build(len(input_maximum), len(next(iter(scales.values()))))
    taught_model, weaning = _with_teacher(model, experiment.free_running_from)
    trainer = Trainer.of(taught_model)
    log = [keras.callbacks.CSVLogger(work / "log.csv", append=True)] if is_chief(strategy) else []
    with strategy.scope():
        trainer.compile(
            optimizer(experiment, strategy.num_replicas_in_sync),
            loss=LOSSES.get(experiment.loss, experiment.loss),
            jit_compile=False,  # XLA is slower with these loops, and takes minutes to compile
        )
        trainer.optimizer.build(trainer.trainable_variables)
        trainer.fit(
            split_by_batch(taught),
            validation_data=judged,
            epochs=experiment.epochs,
            steps_per_epoch=experiment.steps,
            verbose=2,  # a line an epoch
            shuffle=False,  # the dataset does
            callbacks=[backup, *weaning, *log],
        )
    if network is None:
        round_weights(model)
    output_maximum = unit(list(maxima_by_person(pairs[0]).values()))
    return Refiner(card_of(experiment, teaching, input_maximum, output_maximum), model)


def optimizer(experiment: Experiment, replicas: int = 1) -> Any:
    """What moves the weights; each replica of a batch is clipped by itself."""
    import keras

    decay = keras.optimizers.schedules.CosineDecay(
        experiment.learning_rate, experiment.epochs * experiment.steps
    )
    return keras.optimizers.AdamW(
        decay,
        weight_decay=WEIGHT_DECAY,
        clipnorm=1.0 / replicas,
        use_ema=True,
        ema_momentum=AVERAGING,
    )


def _with_teacher(model: Any, free_running_from: int) -> tuple[Any, list[Any]]:
    """The graph to fit and its callbacks; a network without a decoder has no use for a teacher."""
    import keras

    from nem2e_tf.network.stdr_net import ScheduledSampling, build_training_model

    if all(layer.name != "decoder" for layer in model.layers):
        unused = keras.Input((None, model.output_shape[-1]), name="measured")
        return keras.Model({"simulated": model.input, "measured": unused}, model.output), []
    return build_training_model(model), [ScheduledSampling(free_running_from)]


def judged(
    refiner: Refiner,
    experiment: Experiment,
    teaching: Sequence[Part],
    data: Path | None,
    config: Path,
) -> Refiner:
    """The same refiner, its card saying how wrong it may be and how it does on unseen recordings.

    Args:
        refiner: Refiner, fitted.
        experiment: Experiment.
        teaching: what it was fitted on.
        data: path or None. Folder of the recordings.
        config: path. The experiment's file.
    """
    held_out = experiment.held_out()
    if held_out is None or not held_out.selected:
        return refiner
    every = (pair for part in teaching for pair in part.pairs())
    taught = [pair for pair in every if pair.task in experiment.tasks]
    refiner = calibrated(refiner, list(held_out.pairs()), taught)
    strangers = read_experiment(EVALUATION).virtual()
    assert strangers is not None
    other = [overground(data or data_folder())] if "walking" in experiment.tasks else []
    later = Part(experiment.recorded(data, config), experiment.blocks.test).pairs()
    found = card_scores(
        refiner,
        [pair for pair in later if pair.task in experiment.tasks],
        list(strangers.select(lambda shard: shard.task in experiment.tasks).pairs()),
        other,
    )
    return Refiner(refiner.card.model_copy(update={"scores": found}), refiner.network)


def save(refiner: Refiner, folder: Path) -> None:
    """Write a refiner's folder, the card last: a folder without one is none.

    What was exported of a network that was there before counts no more. Where the new one finds no
    room, the former stays.
    """
    check_folder(folder)
    with TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder) as beside:
        whole = Path(beside)
        write_keras_model(refiner.model, whole / WEIGHTS)
        refiner.card.write(whole / CARD)
        for former in (CARD, MANIFEST):
            (folder / former).unlink(missing_ok=True)
        for file in (WEIGHTS, CARD):
            (whole / file).replace(folder / file)


def begin() -> None:
    """Import TensorFlow as a fit wants it: every operation on one thread.

    The operations of a network this small end before a second thread has woken; the threads that
    there are take operations side by side instead.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    terminal.quiet_tensorflow()


@app.command()
def main(
    config: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; saved_models/<name> otherwise.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
    strategy: Annotated[
        Spread | None,
        typer.Option(
            help="Share every batch among the devices of this machine, or among the workers of"
            " TF_CONFIG, each of which runs this command."
        ),
    ] = None,
) -> None:
    """Simulate the trials, fit STDR-Net and write a refiner folder."""
    import shutil

    experiment = read_experiment(config)
    folder = output or REPOSITORY / "saved_models" / experiment.name
    check_folder(folder)
    begin()
    from .strategy import chief_first, is_chief, make_strategy

    spread = make_strategy(strategy) if strategy else None
    recorded, virtual = chief_first(
        spread,
        lambda: (experiment.recorded(data, config, experiment.models), experiment.virtual()),
    )
    teaching = experiment.teaching(recorded, virtual)
    work = RUNS / f"{experiment.name}-{_key(experiment, teaching)}"
    chief = is_chief(spread)
    with ExitStack() as held:
        for place in (folder, work) if chief else ():
            held.enter_context(exclusive_lock(check_folder(place)))
        refiner = fit(experiment, teaching, work, strategy=spread)
        if chief:
            save(judged(refiner, experiment, teaching, data, config), folder)
            shutil.rmtree(work)
            terminal.screen.print(f"wrote {folder}", soft_wrap=True)


def _key(experiment: Experiment, teaching: Sequence[Part]) -> str:
    """A few letters that change with what is fitted on what: a fit goes on with its own weights."""
    parts = [(part.block, part.weight, [s.file for s in part.shards.selected]) for part in teaching]
    content = json.dumps([experiment.model_dump(mode="json"), parts])
    return hashlib.sha256(content.encode()).hexdigest()[:8]


if __name__ == "__main__":
    terminal.run(app)
