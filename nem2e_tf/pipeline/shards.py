"""Pairs of simulated and measured activity on disk: TFRecord shards and their manifest."""

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError, field_validator

from nem2e_tf.errors import InputError
from nem2e_tf.files import replace_file
from nem2e_tf.signals import RATE

if TYPE_CHECKING:
    import tensorflow as tf

MANIFEST = "manifest.json"
SERIES = ("simulated", "measured", "angles")


@dataclass(frozen=True)
class Pair:
    """A trial, simulated and paired with its EMG on one clock.

    Args:
        subject: who moved.
        task: what was done.
        simulated: `(frames, channels)`, simulated activations 0-1, index `time` in seconds.
        measured: `(frames, channels)`, measured envelopes 0-1.
        angles: `(frames, coordinates)`, joint angles in radians.
    """

    subject: str
    task: str
    simulated: pd.DataFrame
    measured: pd.DataFrame
    angles: pd.DataFrame

    @property
    def name(self) -> str:
        """Name in messages and tables."""
        return f"{self.subject} {self.task}"

    def inputs(self, names: Sequence[str]) -> pd.DataFrame:
        """Simulated channels and joint angles by name."""
        return pd.concat([self.simulated, self.angles], axis=1)[list(names)]

    def block(self, first: float, last: float) -> "Pair":
        """The part between two shares (0-1) of its length."""
        low, high = (round(share * len(self.simulated)) for share in (first, last))
        parts = (getattr(self, series).iloc[low:high] for series in SERIES)
        return Pair(self.subject, self.task, *parts)


class Shard(BaseModel):
    """A file in the manifest, with subject, task and length of its pair."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str
    subject: str
    task: str
    start: float
    frames: int

    @field_validator("file")
    @classmethod
    def _check_file_name(cls, file: str) -> str:
        if Path(file).name != file or not file.endswith(".tfrecord"):
            raise ValueError("must be a .tfrecord beside the manifest")
        return file


class Manifest(BaseModel):
    """The content of a folder of shards.

    Args:
        rate: Hz.
        simulated: channels of simulated activity, in order.
        measured: channels of measured EMG, in order.
        angles: coordinates, in order.
        shards: one for each pair.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal[1] = 1
    rate: PositiveFloat
    simulated: list[str]
    measured: list[str]
    angles: list[str]
    shards: list[Shard]

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read a folder's manifest; `InputError` if it is missing or wrong."""
        path = folder / MANIFEST
        if not path.is_file():
            raise InputError(f"{folder}: no {MANIFEST} in this folder; run nem2e prepare first")
        try:
            manifest = cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise InputError(f"{path}: {place}: {first['msg']}") from None
        existing = {file.name for file in folder.iterdir()}
        for shard in manifest.shards:
            if shard.file not in existing:
                raise InputError(f"{folder}: {shard.file} is missing; run nem2e prepare again")
        return manifest

    def write(self, folder: Path) -> None:
        """Write a folder's manifest."""
        with replace_file(folder / MANIFEST) as temporary:
            text = self.model_dump_json(indent=2) + "\n"
            temporary.write_text(text, encoding="utf-8", newline="\n")


def write_shard(pair: Pair, path: Path) -> None:
    """Write a pair as one TFRecord, whole or not at all."""
    import tensorflow as tf

    def float_feature(value: float) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    def bytes_feature(value: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    features = {
        series: bytes_feature(getattr(pair, series).to_numpy("<f4").tobytes()) for series in SERIES
    }
    features["subject"] = bytes_feature(pair.subject.encode())
    features["task"] = bytes_feature(pair.task.encode())
    features["start"] = float_feature(pair.simulated.index[0])
    features["frames"] = float_feature(len(pair.simulated))
    example = tf.train.Example(features=tf.train.Features(feature=features))
    with replace_file(path) as temporary:
        try:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                writer.write(example.SerializeToString(deterministic=True))
        except tf.errors.OpError as error:
            fault = error.message.rpartition("; ")[2]  # without the name of the temporary file
            raise OSError(errno.EIO, fault, str(path)) from None


def write_pairs(pairs: Sequence[Pair], folder: Path) -> "Shards":
    """Write pairs of the same channels into a folder, as `nem2e prepare` would."""
    simulated, measured, angles = (list(getattr(pairs[0], s).columns) for s in SERIES)
    shards = []
    for i, pair in enumerate(pairs):
        path = folder / f"{i}.tfrecord"
        write_shard(pair, path)
        shard = read_shard_info(path)
        assert shard is not None
        shards.append(shard)
    manifest = Manifest(
        rate=RATE, simulated=simulated, measured=measured, angles=angles, shards=shards
    )
    manifest.write(folder)
    return Shards.open(folder)


def read_shard_info(path: Path) -> Shard | None:
    """Subject, task and length of a shard; None if it is missing or damaged."""
    import tensorflow as tf

    if not path.is_file():
        return None
    try:
        (content,) = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
        features = tf.train.Example.FromString(content).features.feature
        subject, task = (features[key].bytes_list.value[0].decode() for key in ("subject", "task"))
        start, frames = (features[key].float_list.value[0] for key in ("start", "frames"))
    except (tf.errors.DataLossError, ValueError, IndexError):
        return None
    # Single precision resolves frames over hours.
    return Shard(
        file=path.name, subject=subject, task=task, start=round(start, 3), frames=int(frames)
    )


@dataclass(frozen=True)
class Shards:
    """Pairs in a folder, all of them or some.

    Args:
        folder: path.
        manifest: content of the folder.
        selected: the shards in use.
    """

    folder: Path
    manifest: Manifest
    selected: tuple[Shard, ...]

    @classmethod
    def open(cls, folder: Path) -> "Shards":
        """All pairs of a folder that `nem2e prepare` wrote."""
        manifest = Manifest.read(folder)
        return cls(folder, manifest, tuple(manifest.shards))

    def select(self, keep: Callable[[Shard], bool]) -> "Shards":
        """The pairs for which `keep` is true, such as `lambda shard: shard.task == "walking"`."""
        return replace(self, selected=tuple(shard for shard in self.selected if keep(shard)))

    where = select  # Former name, kept for one version.

    def series(self) -> "tf.data.Dataset":
        """Whole pairs, one element each, in order.

        Returns:
            Dataset of dicts of `simulated`, `measured` and `angles`, `(frames, columns)` float32.
        """
        import tensorflow as tf

        feature_spec = {series: tf.io.FixedLenFeature((), tf.string) for series in SERIES}
        width = {series: len(getattr(self.manifest, series)) for series in SERIES}

        def parse(content: Any) -> dict[str, Any]:
            example = tf.io.parse_single_example(content, feature_spec)
            return {
                series: tf.reshape(
                    tf.io.decode_raw(example[series], tf.float32, little_endian=True),
                    (-1, width[series]),
                )
                for series in SERIES
            }

        files = [str(self.folder / shard.file) for shard in self.selected]
        return tf.data.TFRecordDataset(files).map(parse)

    def pairs(self) -> Iterator[Pair]:
        """Whole pairs, one at a time.

        Raises:
            InputError: a shard is damaged.
        """
        import tensorflow as tf

        for shard in self.selected:
            try:
                single = replace(self, selected=(shard,))
                (series,) = single.series().as_numpy_iterator()
                if any(len(rows) != shard.frames for rows in series.values()):
                    raise ValueError("as many rows as the manifest says")
            except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, ValueError):
                raise InputError(
                    f"{self.folder / shard.file}: damaged; run nem2e prepare again"
                ) from None
            times = shard.start + np.arange(shard.frames) / self.manifest.rate
            index = pd.Index(np.round(times, 6), name="time")
            parts = (
                pd.DataFrame(
                    series[name].astype(float), index=index, columns=getattr(self.manifest, name)
                )
                for name in SERIES
            )
            yield Pair(shard.subject, shard.task, *parts)
