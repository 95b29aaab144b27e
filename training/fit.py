"""Fit a refiner: `nem2e fit walking`, or `python -m training.fit training/configs/walking.yaml`."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nem2e_tf.cli import terminal
from nem2e_tf.edge import MANIFEST
from nem2e_tf.files import UNFINISHED_PREFIX, check_folder, exclusive_lock
from nem2e_tf.pipeline import Scales, channel_maxima, maxima_by_person
from nem2e_tf.pipeline.windows import make_windows
from nem2e_tf.refiner import CARD, Refiner
from nem2e_tf.refiner.runtimes import WEIGHTS, write_keras_model
from nem2e_tf.signals import RATE

from .cards import calibrate_and_score, make_experiment_card, median_maxima, select_output_maximum
from .experiment import Experiment, Part, read_experiment
from .places import RUNS, default_folder, find_config

if TYPE_CHECKING:
    import tensorflow as tf

WEIGHT_DECAY = 1e-4
EMA_MOMENTUM = 0.99
"""Momentum of the exponential moving average of the weights, which the refiner keeps."""


def fit(
    experiment: Experiment,
    training_parts: Sequence[Part],
    work_folder: Path,
    *,
    network: Callable[..., Any] | None = None,
    validation: Part | None = None,
    strategy: "tf.distribute.Strategy | None" = None,
) -> Refiner:
    """Fit a network on parts of recordings.

    A fit that was interrupted continues from the last whole epoch when this function is called
    again with the same `work_folder`, and ends with the same weights as one without interruption.

    Args:
        experiment: Experiment.
        training_parts: what the weights are fitted on. Where the first part is one person's in one
            task, the card's maxima are theirs; else envelopes are shares of a maximum.
        work_folder: path. Folder for the checkpoint and `log.csv`.
        network: function that builds another network than STDR-Net from its numbers of inputs and
            outputs.
        validation: recordings of the `val_loss` in the log; they do not influence the fit.
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
    work_folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(experiment.seed)
    pairs = [part.pairs() for part in training_parts]
    inputs = experiment.inputs or list(pairs[0][0].simulated.columns)
    input_maximum = median_maxima(
        [channel_maxima([p.inputs(inputs).abs()]) for part in pairs for p in part]
    )
    scales = maxima_by_person(p for part in pairs for p in part)

    def cut_windows(part: Part, scales: Scales, **options: Any) -> Any:
        dataset = make_windows(
            part.shards, input_maximum, scales, block=part.block,
            frames=round(experiment.window * RATE), hop=round(experiment.hop * RATE),
            **options,
        )  # fmt: skip
        return dataset.map(lambda x, y, mask: ({"simulated": x, "measured": y}, y, mask))

    training_data = tf.data.Dataset.sample_from_datasets(
        [
            cut_windows(part, scales, batch=None, seed=experiment.seed,
                augmentation=experiment.augmentation).repeat()
            for part in training_parts
        ],
        [part.weight for part in training_parts],
        seed=experiment.seed,
    )  # fmt: skip
    # A resumed fit skips the windows that it has used.
    backup = Backup(work_folder / "backup", strategy)
    training_data = training_data.skip(backup.finished_epochs * experiment.steps * experiment.batch)
    training_data = training_data.batch(experiment.batch, drop_remainder=True).prefetch(
        tf.data.AUTOTUNE
    )
    validation_data = None
    if validation is not None:
        validation_data = cut_windows(
            validation, scales | maxima_by_person(validation.pairs()), batch=experiment.batch
        )
    build = network or partial(stdr_net, **experiment.network)
    with strategy.scope():
        model = build(len(input_maximum), len(next(iter(scales.values()))))
    training_model, sampling_callbacks = _add_teacher(model, experiment.free_running_from)
    trainer = Trainer.from_model(training_model)
    log = (
        [keras.callbacks.CSVLogger(work_folder / "log.csv", append=True)]
        if is_chief(strategy)
        else []
    )
    with strategy.scope():
        trainer.compile(
            make_optimizer(experiment, strategy.num_replicas_in_sync),
            loss=LOSSES.get(experiment.loss, experiment.loss),
            jit_compile=False,  # XLA is slower with these loops, and takes minutes to compile
        )
        trainer.optimizer.build(trainer.trainable_variables)
        trainer.fit(
            split_by_batch(training_data),
            validation_data=validation_data,
            epochs=experiment.epochs,
            steps_per_epoch=experiment.steps,
            verbose=2,  # a line an epoch
            shuffle=False,  # the dataset does
            callbacks=[backup, *sampling_callbacks, *log],
        )
    if network is None:
        round_weights(model)
    output_maximum = select_output_maximum(list(maxima_by_person(pairs[0]).values()))
    return Refiner(
        make_experiment_card(experiment, training_parts, input_maximum, output_maximum), model
    )


def make_optimizer(experiment: Experiment, replicas: int = 1) -> Any:
    """The optimizer; gradients are clipped in each replica."""
    import keras

    decay = keras.optimizers.schedules.CosineDecay(
        experiment.learning_rate, experiment.epochs * experiment.steps
    )
    return keras.optimizers.AdamW(
        decay,
        weight_decay=WEIGHT_DECAY,
        clipnorm=1.0 / replicas,
        use_ema=True,
        ema_momentum=EMA_MOMENTUM,
    )


def _add_teacher(model: Any, free_running_from: int) -> tuple[Any, list[Any]]:
    """The model to fit and its callbacks; a network without a decoder ignores the teacher."""
    import keras

    from nem2e_tf.network.stdr_net import ScheduledSampling, build_training_model

    if all(layer.name != "decoder" for layer in model.layers):
        unused = keras.Input((None, model.output_shape[-1]), name="measured")
        return keras.Model({"simulated": model.input, "measured": unused}, model.output), []
    return build_training_model(model), [ScheduledSampling(free_running_from)]


def replace_refiner(refiner: Refiner, folder: Path) -> None:
    """Write a refiner's folder in place of a former one; the card comes last and completes it.

    The manifest of exports is removed, because they are of the former network. Where writing fails,
    the former refiner stays.
    """
    check_folder(folder)
    with TemporaryDirectory(prefix=UNFINISHED_PREFIX, dir=folder) as temporary_name:
        temporary = Path(temporary_name)
        write_keras_model(refiner.model, temporary / WEIGHTS)
        refiner.card.write(temporary / CARD)
        for former in (CARD, MANIFEST):
            (folder / former).unlink(missing_ok=True)
        for file in (WEIGHTS, CARD):
            (temporary / file).replace(folder / file)


def configure_tensorflow() -> None:
    """Import TensorFlow with one thread for each operation.

    The operations of a small network end before a second thread has started; the threads run
    several operations at once instead.
    """
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    terminal.import_tensorflow_quietly()


def run(
    config: Path, output: Path | None = None, data: Path | None = None, strategy: str | None = None
) -> None:
    """Simulate the trials of an experiment, fit STDR-Net and write a refiner folder.

    Args:
        config: path. An experiment's file, or the name of a shipped one.
        output: path or None. The refiner's folder; None: see `default_folder`.
        data: path or None. Folder of the recordings; None: see `find_data_folder`.
        strategy: str or None. `mirrored` or `multiworker`; see `make_strategy`.

    Raises:
        InputError: the experiment, its list of trials or a recording cannot be used.
    """
    config = find_config(config)
    experiment = read_experiment(config)
    folder = output or default_folder(experiment.name)
    check_folder(folder)
    configure_tensorflow()
    from .strategy import is_chief, make_strategy, run_on_chief_first

    distribution = make_strategy(strategy) if strategy else None
    recorded, virtual = run_on_chief_first(
        distribution,
        lambda: (
            experiment.prepare_recorded(data, config, experiment.models),
            experiment.prepare_virtual(),
        ),
    )
    training_parts = experiment.training_parts(recorded, virtual)
    work_folder = RUNS / f"{experiment.name}-{_fit_digest(experiment, training_parts)}"
    is_writer = is_chief(distribution)
    with ExitStack() as locks:
        for place in (folder, work_folder) if is_writer else ():
            locks.enter_context(exclusive_lock(check_folder(place)))
        refiner = fit(experiment, training_parts, work_folder, strategy=distribution)
        if is_writer:
            replace_refiner(
                calibrate_and_score(refiner, experiment, training_parts, data, config), folder
            )
            shutil.rmtree(work_folder)
            terminal.stdout.print(f"wrote {folder}", soft_wrap=True)


def _fit_digest(experiment: Experiment, training_parts: Sequence[Part]) -> str:
    """A short hash of the settings and the recordings; a fit resumes under the same hash only."""
    parts = [
        (part.block, part.weight, [s.file for s in part.shards.selected]) for part in training_parts
    ]
    content = json.dumps([experiment.model_dump(mode="json"), parts])
    return hashlib.sha256(content.encode()).hexdigest()[:8]


if __name__ == "__main__":
    from . import command

    terminal.run_command(command.fit)
