"""Windows a second that the input pipeline delivers, beside those that training takes.

    python -m tests.benchmarks.input_pipeline

The recordings are synthetic noise of the size of a study; their content changes no figure.
"""

import resource
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from nem2e_tf.cli import terminal
from nem2e_tf.network.stdr_net import build_training_model, stdr_net
from nem2e_tf.pipeline.shards import Manifest, Pair, Shards, read_shard_info, write_shard
from nem2e_tf.pipeline.windows import Augmentation, make_windows

CHANNELS = [f"channel_{i}" for i in range(9)]
FRAMES, BATCH = 100, 32


def write_synthetic_recordings(folder: Path, recordings: int, seconds: int) -> Shards:
    """Write synthetic recordings."""
    generator = np.random.default_rng(0)
    index = pd.Index(np.arange(100 * seconds) / 100.0, name="time")
    shards = []
    for i in range(recordings):
        parts = (
            pd.DataFrame(generator.random((len(index), len(names))), index=index, columns=names)
            for names in (CHANNELS, CHANNELS, ["knee_angle"])
        )
        write_shard(Pair(f"s{i}", "walking", *parts), folder / f"{i}.tfrecord")
        shards.append(read_shard_info(folder / f"{i}.tfrecord"))
    Manifest(
        rate=100.0, simulated=CHANNELS, measured=CHANNELS, angles=["knee_angle"],
        shards=[shard for shard in shards if shard],
    ).write(folder)  # fmt: skip
    return Shards.open(folder)


def peak_memory() -> float:
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def main(
    recordings: Annotated[int, typer.Option(help="Recordings of a minute.")] = 40,
    steps: Annotated[int, typer.Option(help="Training steps to time.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure both in one run."""
    terminal.import_tensorflow_quietly()
    scale = dict.fromkeys(CHANNELS, 1.0)
    changes = Augmentation(time_warp=0.1, gain=0.2, shift=2.0, dropout=0.05)
    with tempfile.TemporaryDirectory() as folder:
        shards = write_synthetic_recordings(Path(folder), recordings, 60)
        dataset = make_windows(
            shards, scale, scale, frames=FRAMES, hop=10, batch=BATCH, seed=1, augmentation=changes
        )
        memory, rates, count = [], [], 0
        for _ in range(3):
            begun, count = time.perf_counter(), 0
            for _, _, mask in dataset:
                count += len(mask)
            rates.append(count / (time.perf_counter() - begun))
            memory.append(peak_memory())
        network = build_training_model(stdr_net(9, 9))
        network.compile("adam", "mse")
        training_data = dataset.map(lambda x, y, mask: ({"simulated": x, "measured": y}, y, mask))
        network.fit(training_data.take(3), verbose=0)
        begun = time.perf_counter()
        network.fit(training_data.take(steps), verbose=0)
        training = steps * BATCH / (time.perf_counter() - begun)
    result = {
        "windows": count,
        "pipeline_windows_per_second": float(np.median(rates)),
        "training_windows_per_second": training,
        "ratio": float(np.median(rates)) / training,
        "peak_memory_mb_after_each_pass": memory,
    }
    if as_json:
        terminal.print_json(result)
    else:
        for name, value in result.items():
            terminal.stdout.print(f"{name}: {value}")


if __name__ == "__main__":
    app = terminal.make_app("Input pipeline beside training.")
    app.command()(main)
    terminal.run(app)
