"""Fit a refiner: `python -m training.fit training/configs/walking.yaml`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nem2e_tf import terminal
from nem2e_tf.dataset import Augmentation, maxima, windows
from nem2e_tf.files import check_folder, replacing
from nem2e_tf.muscles import MuscleMap
from nem2e_tf.refiner import CARD, WEIGHTS, Card, Refiner, versions
from nem2e_tf.shards import Pair, Shards
from nem2e_tf.signals import RATE
from training.evaluate import Scored, score
from training.experiment import REPOSITORY, RUNS, Experiment, read_experiment

app = terminal.application("Fit a refiner on recorded trials.")


def fit(experiment: Experiment, shards: Shards, work: Path) -> Refiner:
    """Fit STDR-Net on the experiment's `fit` block, stopping by its `stop` block.

    Interrupted, it goes on from the last whole epoch when it is called again with the same `work`.

    Args:
        experiment: Experiment.
        shards: Shards, whole trials.
        work: path. Folder for the checkpoint, the best weights so far and `log.csv`.

    Returns:
        Refiner, with the weights of the best `stop` block, its card without scores.
    """
    import keras

    from nem2e_tf.stdr_net import ScheduledSampling, stdr_net, with_teacher

    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(experiment.seed)
    blocks, pairs = experiment.blocks, list(shards.pairs())
    # The largest value is of the fit block alone: the stop block judges, it does not teach.
    fitted = [r.block(*blocks.fit) for r in pairs]
    input_maximum = maxima([r.simulated for r in fitted])
    output_maximum = maxima([r.measured for r in fitted])

    def teaching(block: tuple[float, float], seed: int | None, changes: Augmentation | None) -> Any:
        dataset = windows(
            shards, input_maximum, output_maximum, block=block, seed=seed, batch=experiment.batch,
            frames=round(experiment.window * RATE), hop=round(experiment.hop * RATE),
            augmentation=changes,
        )  # fmt: skip
        return dataset.map(lambda x, y, mask: ({"simulated": x, "measured": y}, y, mask))

    training = teaching(blocks.fit, experiment.seed, experiment.augmentation)
    stopping = teaching(blocks.stop, None, None)
    network = stdr_net(len(input_maximum), len(output_maximum), **experiment.network)
    trainer = with_teacher(network)
    decay = keras.optimizers.schedules.CosineDecay(
        experiment.learning_rate, experiment.epochs * int(training.cardinality())
    )
    trainer.compile(keras.optimizers.Adam(decay, clipnorm=1.0), loss="mse")
    best, log = work / "best.weights.h5", work / "log.csv"
    before = _best_loss(log)
    trainer.fit(
        training,
        validation_data=stopping,
        epochs=experiment.epochs,
        verbose=2,  # a line an epoch
        shuffle=False,  # the dataset does
        callbacks=[
            keras.callbacks.BackupAndRestore(work / "backup"),
            ScheduledSampling(experiment.free_running_from),
            keras.callbacks.ModelCheckpoint(
                best, save_best_only=True, save_weights_only=True, initial_value_threshold=before
            ),
            # Weaning sets the network back for a while: patience begins after it.
            keras.callbacks.EarlyStopping(
                patience=experiment.patience,
                baseline=before,
                start_from_epoch=experiment.free_running_from,
            ),
            keras.callbacks.CSVLogger(log, append=before is not None),
        ],
    )
    trainer.load_weights(best)
    return Refiner(_card(experiment, pairs, input_maximum, output_maximum), network)


def _best_loss(log: Path) -> float | None:
    """The least `val_loss` of a run that was interrupted, None if there is none."""
    import pandas as pd

    if not log.exists() or log.stat().st_size == 0:
        return None
    losses = pd.read_csv(log)["val_loss"]
    return None if losses.empty else float(losses.min())


def _card(
    experiment: Experiment,
    pairs: list[Pair],
    input_maximum: dict[str, float],
    output_maximum: dict[str, float],
) -> Card:
    channels = MuscleMap.load().channels
    return Card(
        name=experiment.name,
        summary=" ".join(experiment.summary.split()),
        inputs=list(input_maximum),
        outputs=list(output_maximum),
        muscles={c: list(channels[c]) for c in channels if c in {*input_maximum, *output_maximum}},
        rate=RATE,
        window=experiment.window,
        input_maximum=input_maximum,
        output_maximum=output_maximum,
        unit=" ".join(experiment.unit.split()),
        fitted_on=experiment.sources(pairs),
        scores={},
        versions=versions(),
    )


def save(refiner: Refiner, scored: Scored, folder: Path) -> None:
    """Write a refiner's folder, the card with its scores last: a folder without one is none.

    Exports of a network that was there before are removed with it.
    """
    check_folder(folder)
    (folder / CARD).unlink(missing_ok=True)
    for export in folder.glob("*.tflite"):
        export.unlink()
    with replacing(folder / WEIGHTS) as temporary:
        refiner.model.save(temporary)
    refiner.card.model_copy(update={"scores": scored.as_json()}).write(folder / CARD)


@app.command()
def main(
    config: Annotated[Path, typer.Argument(help="The experiment, a YAML file.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; saved_models/<name> otherwise.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings; NEM2E_DATA otherwise.")
    ] = None,
) -> None:
    """Simulate the trials, fit STDR-Net, score it and write a refiner folder."""
    import shutil

    experiment = read_experiment(config)
    folder = output or REPOSITORY / "saved_models" / experiment.name
    check_folder(folder)
    terminal.quiet_tensorflow()
    shards = experiment.prepare(data, config)
    work = RUNS / experiment.name
    refiner = fit(experiment, shards, work)
    scored = score(experiment, list(shards.pairs()), refiner)
    save(refiner, scored, folder)
    shutil.rmtree(work)
    terminal.screen.print(scored.as_rich())
    terminal.screen.print(f"wrote {folder}", soft_wrap=True)


if __name__ == "__main__":
    terminal.run(app)
