"""Muscle maps: which EMG channel stands for which model muscles."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files import read_storage, read_yaml

SIDES = ("r", "l")
Weights = dict[str, float]


@dataclass(frozen=True)
class MuscleMap:
    """EMG channels and the model muscles that each stands for.

    Args:
        channels: dict of channel name to its alternatives, one for each family of models. An
            alternative gives the weight of every muscle, named without side; the first muscle
            names the channel in results.

    Example:

        >>> muscles = MuscleMap.parse({"hamstrings": [{"semimem": 0.5, "semiten": 0.5}]}, "example")
        >>> muscles.columns(["semimem_r", "semiten_r"], side="r")
        {'hamstrings': {'semimem_r': 0.5, 'semiten_r': 0.5}}
    """

    channels: dict[str, tuple[Weights, ...]]

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> "MuscleMap":
        """Read a map from a YAML file; without a path, the package's own nine channels."""
        if path is None:
            path = Path(__file__).with_name("muscles.yaml")
        return cls.parse(read_yaml(path, "a muscle map"), str(path))

    @classmethod
    def parse(cls, table: Any, source: str) -> "MuscleMap":
        """Build a map from plain tables and lists, as YAML or JSON holds them.

        Args:
            table: dict of channel to a muscle, a table of weights, or a list of either.
            source: str. Its source, for messages.

        Raises:
            InputError: it does not have that form, or a weight is not a positive number.
        """
        if not isinstance(table, dict) or not table:
            raise InputError(f"{source}: a muscle map is a table of channels, 'channel: muscle'")
        channels = {}
        for channel, entry in table.items():
            alternatives = entry if isinstance(entry, list) else [entry]
            parsed = [{a: 1.0} if isinstance(a, str) else a for a in alternatives]
            for weights in parsed:
                if not isinstance(weights, dict) or not weights:
                    raise InputError(
                        f"{source}: channel '{channel}' stands for {weights!r}; expected a muscle"
                        " or a table of muscles and weights"
                    )
                for muscle, weight in weights.items():
                    number = isinstance(weight, int | float) and not isinstance(weight, bool)
                    if not number or not 0 < weight < float("inf"):
                        raise InputError(
                            f"{source}: channel '{channel}', muscle '{muscle}': weight {weight!r}"
                            " is not a positive number"
                        )
            channels[str(channel)] = tuple(
                {str(muscle): float(weight) for muscle, weight in weights.items()}
                for weights in parsed
            )
        return cls(channels)

    def columns(self, available: Iterable[str], side: str) -> dict[str, Weights]:
        """Columns, with weights adding up to one, that give each channel.

        A channel is found under its own name, or under the muscles of its first alternative whose
        leading muscle is there (refined channels carry that muscle's name alone), each with or
        without `_<side>`. Channels that are not found are left out.

        Args:
            available: iterable of str. Column names of a file, or muscles of a model.
            side: str. `r` or `l`.
        """
        names = set(available)

        def find(name: str) -> str | None:
            return next((n for n in (f"{name}_{side}", name) if n in names), None)

        found: dict[str, Weights] = {}
        for channel, alternatives in self.channels.items():
            for weights in ({channel: 1.0}, *alternatives):
                if find(next(iter(weights))) is None:
                    continue
                present = {find(m): w for m, w in weights.items() if find(m) is not None}
                total = sum(present.values())
                found[channel] = {str(column): w / total for column, w in present.items()}
                break
        return found

    def find_side(self, channels: Iterable[str], available: Iterable[str]) -> str:
        """The side whose columns give the most channels; `r` where both give equally many."""
        names, requested = list(available), list(channels)

        def count(side: str) -> int:
            side_names = [
                name for name in names if not name.endswith(("_r", "_l")) or name[-1] == side
            ]
            return len(self.columns(side_names, side).keys() & set(requested))

        return max(SIDES, key=count)

    def measured_channels(self, channels: Iterable[str], available: Iterable[str]) -> list[str]:
        """The channels that are found, on the side that has the most of them."""
        names, requested = list(available), list(channels)
        found = self.columns(names, self.find_side(requested, names))
        return [channel for channel in requested if channel in found]

    def measured_channels_in(self, files: Iterable[Path]) -> list[str]:
        """Channels that any of some files of EMG has; files that cannot be read are skipped."""
        found: set[str] = set()
        for file in files:
            try:
                found |= set(self.measured_channels(self.channels, read_storage(file).columns))
            except InputError:
                continue
            if len(found) == len(self.channels):
                break
        return [channel for channel in self.channels if channel in found]

    def require_columns(
        self, channels: Iterable[str], available: Iterable[str], side: str, source: str
    ) -> dict[str, Weights]:
        """Like `columns`, for channels that must all be found.

        Raises:
            InputError: a channel is not found; the message names the nearest column.
        """
        names = [str(name) for name in available]
        found = self.columns(names, side)
        for channel in channels:
            if channel not in found:
                muscles = [next(iter(weights)) for weights in self.channels.get(channel, ())]
                expected = " or ".join(f"'{muscle}_{side}'" for muscle in muscles) or f"'{channel}'"
                closest = suggest_name(f"{(muscles or [channel])[0]}_{side}", names)
                raise InputError(
                    f"{source}: no muscle {expected} for channel '{channel}'; {closest}"
                )
        return {channel: found[channel] for channel in channels}


def combine(frame: pd.DataFrame, columns: dict[str, Weights]) -> pd.DataFrame:
    """Channels as weighted sums of columns: `(rows, channels)`."""
    return pd.DataFrame(
        {
            channel: sum((frame[column] * w for column, w in weights.items()), start=0.0)
            for channel, weights in columns.items()
        },
        index=frame.index,
    )
