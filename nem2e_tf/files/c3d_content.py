"""The content of a C3D file as its reader's process gives it: points, channels, parameters."""

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.force_plates import plate_channels

SAME_RATE = 1e-3
"""Relative. Files have rates as 32-bit numbers, sometimes rounded."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Content:
    """What a C3D file holds, before it is known what it means.

    Args:
        path: the file.
        points: `(3, points, frames)` in the laboratory's axes and the file's unit.
        voltages: `(channels, samples)`.
        groups: parameters, value by name by group.
        rate: frames a second.
        first: number of the first frame, from 0.
        header_events: time and label of the header's events.
    """

    path: Path
    points: np.ndarray
    voltages: np.ndarray
    groups: dict[str, Any]
    rate: float
    first: int
    header_events: list[list[Any]]

    @property
    def frames(self) -> int:
        """Of the markers."""
        return int(self.points.shape[2])

    def texts(self, group: str, key: str, count: int) -> list[str]:
        """So many texts of a parameter, blank where it has fewer."""
        return (_read_texts(self.groups, group, key) + [""] * count)[:count]

    def channel_names(self) -> list[str]:
        """Names of all analog channels, all different."""
        labels = self.texts("ANALOG", "LABELS", len(self.voltages))
        return make_unique([name or f"analog_{i + 1}" for i, name in enumerate(labels)])

    def analog(self) -> tuple[pd.DataFrame, dict[str, str]]:
        """Channels that belong to no force plate, and the unit of each, as in `C3D`."""
        names, used = self.channel_names(), plate_channels(self.groups)
        units = self.texts("ANALOG", "UNITS", len(self.voltages))
        kept = [i for i in range(len(names)) if i not in used]
        samples = self.voltages.shape[1]
        per_second = self.rate * (samples / max(self.frames, 1) if len(self.voltages) else 1.0)
        first = self.first / self.rate
        frame = pd.DataFrame(
            self.voltages[kept].T,
            index=pd.Index(first + np.arange(samples) / per_second, name="time"),
            columns=[names[i] for i in kept],
        )
        frame.attrs = {"path": str(self.path)}
        return frame, {names[i]: units[i] for i in kept}


def read_content(path: Path) -> Content:
    """Read a C3D file in a process of its own.

    Raises:
        InputError: not a C3D file, cut short, empty, or without a rate.
    """
    with open(path, "rb") as file:
        head = file.read(512)
    if len(head) < 512 or head[1] != 0x50 or head[0] == 0:
        raise InputError(f"{path}: not a C3D file, or cut short: it has no C3D header")
    arrays, metadata = _read_in_process(path)
    points, voltages, groups = arrays["points"], arrays["analogs"], metadata["groups"]
    frames, announced = points.shape[2], metadata["announced"]
    if frames < announced:
        raise InputError(
            f"{path}: cut short: its header announces {announced} frames, the file has {frames};"
            " copy or export it again"
        )
    if frames == 0:
        raise InputError(f"{path}: holds no frames")
    rate, remark = choose_rate(groups, metadata["rate"], voltages.shape[1] / frames)
    if not 0 < rate < np.inf:
        raise InputError(
            f"{path}: neither POINT:RATE nor ANALOG:RATE is a number above 0; export it again"
        )
    for note in (*metadata["notes"], *([remark] if remark else [])):
        log.info("%s: %s", path, note)
    return Content(
        path, points, voltages, groups, rate, metadata["first_frame"], metadata["events"]
    )


def choose_rate(groups: dict[str, Any], header: float, each: float) -> tuple[float, str]:
    """Frames a second, and what is to be told of it.

    POINT:RATE, ANALOG:RATE with the samples a frame, and the header say it. Two that agree are
    believed against the third; where each says something else, in this order.
    """
    point = _number(groups, "POINT", "RATE")
    analog = _number(groups, "ANALOG", "RATE") / each if each else 0.0
    named = {"POINT:RATE": point, "ANALOG:RATE": analog, "its header": header}
    usable = {name: rate for name, rate in named.items() if 0 < rate < np.inf}
    if not usable:
        return 0.0, ""

    def agreeing(rate: float) -> list[str]:
        return [name for name, other in usable.items() if abs(other / rate - 1) <= SAME_RATE]

    chosen = max(usable, key=lambda name: len(agreeing(usable[name])))
    odd = [name for name in usable if name not in agreeing(usable[chosen])]
    if not odd:
        return usable[chosen], ""
    others = " and ".join(f"{usable[name]:g} by {name}" for name in odd)
    return usable[chosen], (
        f"{usable[chosen]:g} frames a second by {' and '.join(agreeing(usable[chosen]))}, but"
        f" {others}; the first is used"
    )


def make_unique(names: Sequence[str]) -> list[str]:
    """The names, with `_2`, `_3` … appended to repeated ones."""
    counts: dict[str, int] = {}
    unique = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        unique.append(name if counts[name] == 1 else f"{name}_{counts[name]}")
    return unique


def _number(groups: dict[str, Any], group: str, key: str) -> float:
    try:
        return float(np.ravel(groups[group][key])[0])
    except (KeyError, IndexError, TypeError, ValueError):
        return 0.0


def _read_texts(groups: Any, group: str, key: str) -> list[str]:
    """A parameter's texts; beyond 255 they go on in `LABELS2`, `LABELS3`, …"""
    if group not in groups:
        return []
    found: list[str] = []
    for name in (key, *(f"{key}{number}" for number in range(2, 100))):
        if name in groups[group]:
            found += [str(text).strip() for text in np.ravel(groups[group][name])]
    return found


def _read_in_process(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Run `c3d_process`: arrays by name, and the other values."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "c3d.npz"
        # -P: modules of this folder must not be imported in place of others of the same name.
        reader = str(Path(__file__).with_name("c3d_process.py"))
        done = subprocess.run(
            [sys.executable, "-X", "utf8", "-P", reader, str(path.resolve()), str(result)],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise _read_error(path, lines[-1] if lines else "")
        return _load_result(result)


def _load_result(result: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    with np.load(result) as arrays:
        found = dict(arrays)
    return found, json.loads(str(found.pop("json")))


def _read_error(path: Path, detail: str) -> InputError:
    ended = "its reader crashed, or took more time or memory than a file of this size needs"
    return InputError(
        f"{path}: not a C3D file that can be read: {detail or ended}; export it again"
    )
