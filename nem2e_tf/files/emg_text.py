"""Text exports of EMG: Delsys, Noraxon, Cometa, BTS, and plain tables of any separator."""

import csv
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files.emg_columns import Columns, name_columns
from nem2e_tf.files.paths import check_input
from nem2e_tf.files.storage import NAN_TEXTS, check_time, parse_numbers

EMG_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".emt")
MARKS = (("\t", "."), (";", "."), (",", "."), (" ", "."),
         ("\t", ","), (";", ","), (" ", ","), (",", ","))  # fmt: skip
"""Separators with decimal marks, in the order in which they are preferred."""

SAMPLE = 200
"""Rows, spread over the file, that decide the separator and the decimal mark."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Layout:
    """Where the numbers of a table begin and how they are written."""

    separator: str
    decimal: str
    width: int
    start: int

    def split(self, line: str) -> list[str]:
        """The cells of a line."""
        return _split(line, self.separator)


def read_emg_text(
    path: str | os.PathLike[str], channels: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a text export of EMG.

    Known layouts are Delsys Trigno Discover and EMGworks, Noraxon MR3, Cometa, BTS and plain
    tables. Separator, decimal mark, header and encoding are found from the file. Accelerometers,
    gyroscopes and columns of words are left out and named in the log. Time in milliseconds, where
    the file says so, becomes seconds. Channels on clocks of their own are interpolated to the
    fastest one.

    Args:
        path: str or path. The file.
        channels: sequence of str or None. The channels that must hold numbers; None is all.

    Returns:
        `(samples, channels)` in the file's units, index `time` in seconds. NaN where a cell is
        empty or says so; `frame.attrs` holds `path`.

    Raises:
        InputError: no table of numbers, no time and no rate, a word in place of a number, or time
            that does not increase.
    """
    path = check_input(path, "raw EMG")
    lines = [line for line in _decode(path.read_bytes()).splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path}: the file is empty; export it again")
    layout = _find_layout(path, lines)
    body = lines[layout.start :]
    _check_widths(path, layout, body)
    table = _parse_body(path, layout, body)
    header = [layout.split(line) for line in lines[: layout.start]]
    columns = name_columns(path, header, table.shape[1])
    surplus = [i for i in columns.unnamed if table[i].notna().any()]
    if surplus:
        raise InputError(
            f"{path}: rows have more values than the {layout.width - len(surplus)} columns; where"
            " the decimal mark is a comma, separate columns by semicolons or tabs"
        )
    signals = _read_channels(path, layout, table, columns, channels)
    return _join_clocks(path, layout, table, columns, signals)


def _decode(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if content[1:64:2].count(0) > 20:
        return content.decode("utf-16-le", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _split(line: str, separator: str) -> list[str]:
    if separator == " ":
        return line.split()
    if '"' not in line:
        return [cell.strip() for cell in line.split(separator)]
    try:
        rows = list(csv.reader([line], delimiter=separator, skipinitialspace=True))
    except csv.Error:
        return [cell.strip() for cell in line.split(separator)]
    return [cell.strip() for cell in rows[0]] if rows else []


def _is_number(cell: str, decimal: str) -> bool:
    if decimal == "," and "." in cell:
        return False
    return re.fullmatch(
        r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", cell.replace(decimal, ".")
    ) is not (None)


def _number_count(line: str, separator: str, decimal: str) -> int:
    """Cells of a row of numbers, without the empty ones at its end; 0 for any other line."""
    cells = _split(line, separator)
    while cells and not cells[-1]:
        cells.pop()
    numbers = [_is_number(cell, decimal) for cell in cells]
    missing = [cell in NAN_TEXTS for cell in cells]
    good = any(numbers) and all(n or m for n, m in zip(numbers, missing, strict=True))
    return len(cells) if good else 0


def _has_time(cells: list[str], width: int, decimal: str) -> bool:
    """Whether a row above the first row of numbers is one of the table, with a word in it."""
    numbers = [_is_number(cell, decimal) for cell in cells]
    return len(cells) >= width and numbers[0] and 2 * sum(numbers) >= width


def _find_layout(path: Path, lines: list[str]) -> _Layout:
    places = np.unique(np.linspace(0, len(lines) - 1, min(SAMPLE, len(lines))).astype(int))
    best, chosen = 0, (",", ".", 0)
    for separator, decimal in MARKS:
        counts = Counter(_number_count(lines[i], separator, decimal) for i in places)
        rows = sum(count for width, count in counts.items() if width > 1)
        if rows > best:
            wide = {width: count for width, count in counts.items() if width > 1}
            best, chosen = rows, (separator, decimal, max(wide, key=lambda w: (wide[w], w)))
    separator, decimal, width = chosen
    for i, line in enumerate(lines):
        if best and _number_count(line, separator, decimal) > 1:
            while i and _has_time(_split(lines[i - 1], separator), width, decimal):
                i -= 1
            return _Layout(separator, decimal, width, i)
    raise InputError(
        f"{path}: no rows of numbers in two columns or more; expected time and EMG channels,"
        " separated by commas, semicolons or tabs"
    )


def _check_widths(path: Path, layout: _Layout, body: list[str]) -> None:
    """Refuse a table that a few long rows would make larger than the memory."""
    widest = max(len(layout.split(line)) for line in body)
    if len(body) * widest > 4 * sum(map(len, body)) + 1000:
        raise InputError(
            f"{path}: a row has {widest} values, and most rows are shorter; give every column a"
            " value in every row"
        )


def _parse_body(path: Path, layout: _Layout, body: list[str]) -> pd.DataFrame:
    width = max(len(layout.split(line)) for line in body)
    try:
        return pd.read_csv(
            io.StringIO("\n".join(body)),
            sep=r"\s+" if layout.separator == " " else layout.separator,
            header=None, names=list(range(width)), index_col=False, decimal=layout.decimal,
            na_values=list(NAN_TEXTS), keep_default_na=False, skipinitialspace=True,
            low_memory=False,
        )  # fmt: skip
    except (pd.errors.ParserError, ValueError) as error:
        raise InputError(
            f"{path}: not a table of numbers: {' '.join(str(error).split())}; export it again"
        ) from None


def _to_numbers(path: Path, layout: _Layout, column: pd.Series, name: str) -> np.ndarray:
    if column.dtype.kind in "fiu":
        return column.to_numpy(dtype=float)
    values = parse_numbers(column, layout.decimal)
    wrong = (values.isna() & column.notna()).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}: column '{name}', row {row + 1}: '{str(column.iloc[row])[:30]}' is not a"
            " number; leave such rows out"
        )
    return values.to_numpy(dtype=float)


def _read_channels(
    path: Path,
    layout: _Layout,
    table: pd.DataFrame,
    columns: Columns,
    channels: Sequence[str] | None,
) -> dict[int, np.ndarray]:
    """The samples of every EMG channel, by its column."""
    signals: dict[int, np.ndarray] = {}
    left_out = [columns.names[i] for i in columns.others]
    for i in columns.channels:
        name, column = columns.names[i], table[i]
        if column.dtype.kind not in "fiu" and parse_numbers(column, layout.decimal).isna().all():
            left_out.append(name)
        elif not channels or name in channels:
            signals[i] = _to_numbers(path, layout, column, name)
    if left_out:
        log.info("%s: left out, as they are no EMG: %s", path, ", ".join(left_out))
    if not signals:
        known = [columns.names[i] for i in columns.channels]
        asked = (
            f"no channel '{channels[0]}'; {suggest_name(channels[0], known)}"
            if channels
            else ("no EMG channel; expected columns of numbers after 'time'")
        )
        raise InputError(f"{path}: {asked}")
    return signals


def _join_clocks(
    path: Path,
    layout: _Layout,
    table: pd.DataFrame,
    columns: Columns,
    signals: dict[int, np.ndarray],
) -> pd.DataFrame:
    """The channels on one clock, that of the fastest."""
    clocks: dict[int | None, np.ndarray] = {}
    for i in signals:
        clock = columns.clock(i)
        if clock in clocks:
            continue
        if clock is None:
            clocks[clock] = np.arange(len(table)) / columns.rate
            continue
        name = columns.names[clock]
        time = _to_numbers(path, layout, table[clock], name) * columns.seconds[clock]
        filled = np.flatnonzero(np.isfinite(time) & ((time != 0) | (np.arange(len(time)) == 0)))
        if columns.clocks_differ and len(filled):
            time = time[: filled[-1] + 1]
        if not np.isfinite(time).all():
            row = int((~np.isfinite(time)).argmax())
            raise InputError(
                f"{path}: column '{name}', row {row + 1}: no time; leave such rows out"
            )
        check_time(path, time)
        clocks[clock] = time
    times = list(clocks.values())
    if any(len(time) < 2 for time in times) and len(times) > 1:
        raise InputError(f"{path}: a time column has fewer than two rows; export it again")
    shared = max(times, key=lambda time: (len(time) - 1) / max(np.ptp(time), 1e-9))
    if any(len(time) != len(shared) or np.abs(time - shared).max() > 1e-6 for time in times):
        first, last = max(time[0] for time in times), min(time[-1] for time in times)
        shared = shared[(shared >= first) & (shared <= last)]
        log.info("%s: channels have clocks of their own; all are put on the fastest one", path)
        if not len(shared):
            raise InputError(f"{path}: its channels have no time in common; export them together")
    values = {}
    for i, signal in signals.items():
        own = clocks[columns.clock(i)]
        cut = signal[: len(own)]
        same = len(own) == len(shared) and np.abs(own - shared).max() <= 1e-6
        values[columns.names[i]] = cut if same else np.interp(shared, own, cut)
    frame = pd.DataFrame(values, index=pd.Index(shared, name="time"))
    frame.attrs = {"path": str(path)}
    return frame
