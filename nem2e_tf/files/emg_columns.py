"""Columns of a text export of EMG by its header: clocks, channels, other sensors, units, rates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError
from nem2e_tf.files.c3d_content import make_unique

UNITS = re.compile(
    r"(s|sec|secs|seconds?|ms|msec|milliseconds?|[muµμn]?v|(micro|milli)?volts?|g|hz|%|"
    r"(deg|°|rad)/s(ec)?|dps|m/s(\^?2|²)|[uµμ]?t|gauss|-|a\.?u\.?)",
    re.IGNORECASE,
)
MILLISECONDS = ("ms", "msec", "millisecond", "milliseconds")
OTHER_UNITS = re.compile(r"g|(deg|°|rad)/s(ec)?|dps|m/s(\^?2|²)|[uµμ]?t|gauss", re.IGNORECASE)
OTHER_SENSORS = re.compile(
    r"(?<![a-z])(acc(el\w*)?|gyro\w*|imu|orientation|quat\w*)[ ._]*([xyzw]\b|\d|$)|"
    r"acceleromet|gyroscop|magnetomet|(?<![a-z])mag[ ._]*[xyz]\b",
    re.IGNORECASE,
)
TIME = re.compile(r"(time|t|x|zeit|temps|tiempo|tempo)|.*\btime series", re.IGNORECASE)
COUNTERS = re.compile(r"(frame|frames|sample|samples|index|item|no\.?|n|#)", re.IGNORECASE)
NUMBER = r"(\d+(?:[.,]\d+)?)"


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Args:
        names: by column, without units, each once.
        times: columns of time, in order.
        channels: columns of EMG.
        others: columns of other sensors.
        unnamed: columns beyond the header's.
        seconds: by column of time, seconds in its unit.
        rate: samples a second by the header; 0 if it has none.
    """

    names: list[str]
    times: list[int]
    channels: list[int]
    others: list[int]
    unnamed: list[int]
    seconds: dict[int, float]
    rate: float

    @property
    def clocks_differ(self) -> bool:
        """Whether there is more than one column of time."""
        return len(self.times) > 1

    def clock(self, column: int) -> int | None:
        """The column of time that belongs to a channel: the nearest one before it."""
        before = [time for time in self.times if time < column]
        return before[-1] if before else (self.times[0] if self.times else None)


def name_columns(path: Path, header: Sequence[list[str]], width: int) -> Columns:
    """Find names, units and roles of the columns in the rows above the numbers.

    Args:
        path: path. For messages.
        header: the cells of every row above the numbers.
        width: int. Columns of the numbers.

    Raises:
        InputError: no names of columns, or neither a column of time nor a rate.
    """
    place = _find_names(header)
    if place is None:
        raise InputError(f"{path}: no column names above its numbers; name 'time' and the channels")
    cells = header[place] + [""] * (width - len(header[place]))
    unit_rows = [row for row in header[place + 1 :] if _is_unit_row(row)]
    split = [_split_unit(cell) for cell in cells[:width]]
    names = [name for name, _ in split]
    units = [unit for _, unit in split]
    if unit_rows:
        row = [_bare(cell) for cell in unit_rows[0]] + [""] * width
        units = [unit or row[i] for i, unit in enumerate(units)]
    for row in header[:place]:
        if len(row) == 2 and TIME.fullmatch(row[0]) and UNITS.fullmatch(row[1]):
            units = [
                unit or (row[1] if TIME.match(name) else "")
                for name, unit in zip(names, units, strict=True)
            ]
    times = [i for i, name in enumerate(names) if _is_time(name)]
    counters = [i for i, name in enumerate(names[:2]) if COUNTERS.fullmatch(name)]
    unnamed = [i for i, name in enumerate(names) if not name]
    rest = [i for i in range(width) if i not in {*times, *counters, *unnamed}]
    others = [i for i in rest if OTHER_SENSORS.search(names[i]) or OTHER_UNITS.fullmatch(units[i])]
    rate = 0.0 if times else _find_rate(header)
    if not times and not rate:
        raise InputError(
            f"{path}: no column 'time' and no sampling rate above the numbers; name the column of"
            " time 'time', in seconds, or write a line such as 'Frequency: 2000 Hz'"
        )
    if len(cells) > width:
        missing = [cell for cell in cells[width:] if cell]
        if missing:
            raise InputError(
                f"{path}: names {width + len(missing)} columns, and its rows are shorter; give"
                " every column a value in every row"
            )
    return Columns(
        make_unique(_add_sensors(header[:place], names, times)),
        times,
        [i for i in rest if i not in others],
        others,
        unnamed,
        {i: 1e-3 if units[i].lower() in MILLISECONDS else 1.0 for i in times},
        rate,
    )


def _is_time(name: str) -> bool:
    return TIME.fullmatch(name) is not None or re.search(r"\btime series", name, re.I) is not None


def _bare(cell: str) -> str:
    return cell.strip().strip("[]()").strip()


def _split_unit(cell: str) -> tuple[str, str]:
    """Name and unit of `name [unit]`, `name (unit)` or `name, unit`."""
    found = re.fullmatch(r"(.*?)\s*(?:\[([^\[\]]*)\]|\(([^()]*)\)|,\s*([^,\s]+))", cell.strip())
    if found:
        unit = next((part.strip() for part in found.groups()[1:] if part is not None), "")
        if UNITS.fullmatch(unit) and found.group(1):
            return found.group(1).strip(), unit
    return cell.strip(), ""


def _is_unit_row(row: list[str]) -> bool:
    filled = [_bare(cell) for cell in row if cell]
    return bool(filled) and all(UNITS.fullmatch(cell) for cell in filled)


def _is_rate_row(row: list[str]) -> bool:
    filled = [cell for cell in row if cell]
    return all(re.fullmatch(rf"{NUMBER}\s*(hz|s|ms)?", cell, re.I) for cell in filled)


def _find_names(header: Sequence[list[str]]) -> int | None:
    """The last row with a column of time; else the last row that is not of units or rates."""
    timed = [
        i
        for i, row in enumerate(header)
        if len(row) > 1
        and any(_is_time(_split_unit(cell)[0]) for cell in row)
        and any(cell and not UNITS.fullmatch(_bare(cell)) for cell in row if not _is_time(cell))
    ]
    named = [
        i
        for i, row in enumerate(header)
        if sum(map(bool, row)) and not _is_unit_row(row) and not _is_rate_row(row)
    ]
    places = timed or named
    return places[-1] if places else None


def _add_sensors(rows: Sequence[list[str]], names: list[str], times: list[int]) -> list[str]:
    """Names with that of the sensor before them, where a row above has sensors and modes."""
    modes = [i for i, row in enumerate(rows) if any("sensor mode" in c.lower() for c in row)]
    if not modes or not modes[0]:
        return names
    sensor, found = "", []
    above = rows[modes[0] - 1] + [""] * len(names)
    for i, name in enumerate(names):
        sensor = re.sub(r"\s*\(\d+\)$", "", above[i]) or sensor
        found.append(f"{sensor}: {name}" if sensor and name and i not in times else name)
    return found


def _find_rate(header: Sequence[list[str]]) -> float:
    """Samples a second that a line above the numbers names; 0 for none."""
    for row in header:
        line = " ".join(cell for cell in row if cell)
        found = re.search(rf"(?:freq|rate|sampl)[^\d]*{NUMBER}\s*(k?)", line, re.IGNORECASE)
        found = found or re.search(rf"{NUMBER}\s*(k?)hz\b", line, re.IGNORECASE)
        if found:
            value = float(found.group(1).replace(",", "."))
            return value * (1000.0 if found.group(2) else 1.0)
    return 0.0
