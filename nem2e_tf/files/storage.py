"""Readers and writer of OpenSim's storage files (.sto, .mot)."""

import csv
import io
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.errors import InputError
from nem2e_tf.files.paths import check_input, replace_file

STORAGE_SUFFIXES = (".sto", ".mot")
# What C and MATLAB programs write for NaN.
NAN_TEXTS = (
    "", "nan", "NaN", "NAN", "-nan", "-NaN", "nan(ind)", "-nan(ind)", "NaN(ind)", "-NaN(ind)",
    "nan(snan)", "-nan(snan)", "1.#QNAN", "-1.#QNAN", "1.#QNAN0", "-1.#QNAN0", "1.#IND", "-1.#IND",
    "1.#IND00", "-1.#IND00", "1.#IND000000", "-1.#IND000000", "1.#QNAN0000", "-1.#QNAN0000", "N/A",
)  # fmt: skip

log = logging.getLogger(__name__)


def read_storage(path: str | os.PathLike[str], *, allow_gaps: bool = False) -> pd.DataFrame:
    """Read an OpenSim storage file (.sto or .mot).

    Headers vary between programs: only `endheader` and the row of column names are required.
    `nColumns` is ignored, and so is an `nRows` that differs from the rows that are there, with a
    note. If it announces more, and no line break ends the last row, the file was cut short.

    Args:
        path: str or path. The file.
        allow_gaps: bool. Whether a value may be NaN; time may not.

    Returns:
        `(rows, columns)` frame of float64, index `time` in seconds, strictly increasing. Values
        are as written; `frame.attrs` holds `path`, and `in_degrees` as the header has it.

    Raises:
        InputError: not a storage file, empty, cut short, a value that is not a number, or time
            that does not increase.
    """
    path = check_input(path, "a storage file")
    if path.suffix.lower() not in STORAGE_SUFFIXES:
        raise InputError(f"{path}: not a storage file; expected a name ending in .sto or .mot")
    text = path.read_bytes().decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise InputError(f"{path}: the file is empty; export it again")
    header, labels, body = _split_header(path, text)
    frame = _parse_rows(path, labels, body, allow_gaps)
    if len(frame) == 0:
        raise InputError(f"{path}: no rows after the column names; export it again")
    check_count(path, header.get("nrows", ""), len(frame), "rows", body)
    check_time(path, frame.index.to_numpy())
    in_degrees = header.get("indegrees", "no").lower() in ("yes", "y", "true", "1")
    frame.attrs = {"path": str(path), "in_degrees": in_degrees}
    return frame


def _split_header(path: Path, text: str) -> tuple[dict[str, str], list[str], str]:
    """Header values by lower-case key, column names, and the text of the rows."""
    lines = io.StringIO(text)
    header: dict[str, str] = {}
    for line in lines:
        if line.strip().lower() == "endheader":
            break
        key, equals, value = line.partition("=")
        if equals:
            header[key.strip().lower()] = value.strip()
    else:
        raise InputError(
            f"{path}: no 'endheader' line; this is not an OpenSim storage file, or it is cut short;"
            " export it again as .sto or .mot"
        )
    for line in lines:
        if line.strip():
            # Labels may hold spaces where tabs separate them.
            parts = line.split("\t") if "\t" in line.strip() else line.split()
            labels = [part.strip() for part in parts if part.strip()]
            break
    else:
        raise InputError(
            f"{path}: no column names after 'endheader'; the file is cut short: export it again"
        )
    if labels[0].lower() != "time":
        raise InputError(
            f"{path}: the first column is '{labels[0]}'; it must be 'time', in seconds"
        )
    twice = {label for label in labels if labels.count(label) > 1}
    if twice:
        raise InputError(f"{path}: column '{sorted(twice)[0]}' is there twice; remove one")
    return header, labels, lines.read()


def parse_count(count: str) -> int:
    """A count that a header announces; 0 for a text that is not a count."""
    return int(count) if count.isascii() and count.isdigit() and len(count) < 19 else 0


def check_count(path: Path, announced: str, count: int, rows: str, body: str) -> None:
    """Compare the number of rows that a header announces with those that are there.

    Args:
        path: path. The file.
        announced: str. As the header has it; what is no count is ignored.
        count: int. Rows that are there.
        rows: str. What they are called, for messages.
        body: str. The text of the rows.

    Raises:
        InputError: rows are missing, and the last one may be cut within a number, because no line
            break ends it. Any other difference gives a note.
    """
    declared = parse_count(announced)
    if not declared or declared == count:
        return
    if count < declared and not body.rstrip(" \t").endswith(("\n", "\r")):
        raise InputError(
            f"{path}: cut short: the header announces {declared} {rows}, the file has {count}, the"
            " last without a line break; copy or export it again"
        )
    log.info("%s: the header announces %d %s; all %d are read", path, declared, rows, count)


def parse_numbers(column: pd.Series, decimal: str = ".") -> pd.Series:
    """A column of texts as float64, NaN where a text is not a number."""
    texts = column.astype(str)
    # For an integer of more digits than a float holds pandas raises an error.
    short = texts.where(texts.str.len() < 100)
    return pd.to_numeric(short.str.replace(decimal, "."), errors="coerce").astype(float)


def _parse_rows(path: Path, labels: list[str], body: str, allow_gaps: bool) -> pd.DataFrame:
    if body.count("\n") * (2 * len(labels) - 1) > len(body):
        # The rows are too short for a value per column; the table might not fit into memory.
        _check_rows(path, labels, body)
    try:
        # One column more than there are labels receives the surplus value of a longer row.
        table = pd.read_csv(
            io.StringIO(body), sep=r"\s+", header=None, names=[*labels, ""], dtype=None,
            na_values=list(NAN_TEXTS), keep_default_na=False, quoting=csv.QUOTE_NONE,
            low_memory=False,
        )  # fmt: skip
    except (pd.errors.ParserError, ValueError) as error:
        _check_rows(path, labels, body)
        detail = " ".join(str(error).split())
        raise InputError(f"{path}: rows do not fit the {len(labels)} columns: {detail}") from None
    if table.pop("").notna().any() or not isinstance(table.index, pd.RangeIndex):
        _check_rows(path, labels, body)
    for label in labels:
        if table[label].dtype.kind not in "fiu":
            found = parse_numbers(table[label])
            wrong = (found.isna() & table[label].notna()).to_numpy()
            if wrong.any():
                row = int(wrong.argmax())
                value = str(table[label].iloc[row])[:30]
                raise InputError(
                    f"{path}: column '{label}', row {row + 1}: '{value}' is not a number;"
                    " write numbers with a decimal point"
                )
            table[label] = found
    values = table.to_numpy(dtype=float)
    bad = ~np.isfinite(values)
    if bad.any():
        _check_rows(path, labels, body)
        if allow_gaps:
            bad[:, 1:] = np.isinf(values[:, 1:])
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        place = f"row {row + 1}" if column == 0 else f"time {values[row, 0]:g} s"
        rows = int(bad.any(axis=1).sum())
        raise InputError(
            f"{path}: column '{labels[column]}' has no number at {place}"
            f" ({rows} such row{'s' if rows > 1 else ''}); fill the gap or leave these rows out"
        )
    index = pd.Index(values[:, 0], name="time")
    return pd.DataFrame(values[:, 1:], index=index, columns=labels[1:])


def _check_rows(path: Path, labels: list[str], body: str) -> None:
    """Refuse the first row with too many or too few values; called only when something is wrong."""
    rows = [line.split() for line in body.splitlines() if line.strip()]
    for row, values in enumerate(rows, start=1):
        if len(values) > len(labels):
            raise InputError(
                f"{path}: row {row} has more values than the {len(labels)} columns;"
                " name every column"
            )
        if len(values) < len(labels):
            missing = labels[len(values)]
            if row == len(rows):
                raise InputError(
                    f"{path}: cut short: its last row ends before column '{missing}';"
                    " export it again"
                )
            raise InputError(
                f"{path}: row {row} has {len(values)} values for the {len(labels)} columns;"
                " give every column a value"
            )


def check_time(path: Path, time: np.ndarray) -> None:
    """Raise `InputError` where time, in seconds, does not increase from row to row."""
    steps = np.diff(time)
    if (steps <= 0).any():
        row = int((steps <= 0).argmax())
        fault = "stands still" if steps[row] == 0 else "goes backwards"
        raise InputError(
            f"{path}: time {fault} after row {row + 1}, from {time[row]:g} to {time[row + 1]:g} s;"
            " sort the rows or remove the doubled ones"
        )


def write_storage(frame: pd.DataFrame, path: str | os.PathLike[str], name: str) -> None:
    """Write a time series as a storage file that OpenSim and its GUI open.

    Numbers are written so that reading gives the same float64 again. The file appears whole or
    not at all.

    Args:
        frame: `(rows, columns)`, index `time` in seconds. Angles in radians.
        path: str or path. Where to; an existing file is replaced.
        name: str. Title on the first line.

    >>> times = pd.Index([0.0, 0.01], name="time")
    >>> frame = pd.DataFrame({"soleus_r": [0.1, 0.2]}, index=times)
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_storage(frame, f"{folder}/emg.sto", "envelopes")
    ...     read_storage(f"{folder}/emg.sto").equals(frame)
    True
    """
    # Tabs and line breaks in a name would be columns and rows; quotes have no meaning here.
    title, *labels = (" ".join(str(text).split()) for text in (name, *frame.columns))
    head = (
        f"{title}\nversion=1\nnRows={len(frame)}\nnColumns={frame.shape[1] + 1}\n"
        "inDegrees=no\nendheader\n" + "\t".join(["time", *labels]) + "\n"
    )
    with (
        replace_file(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as file,
    ):
        file.write(head)
        frame.to_csv(file, sep="\t", header=False, lineterminator="\n", na_rep="nan")


def read_motion(path: str | os.PathLike[str], rotations: Iterable[str]) -> pd.DataFrame:
    """Read joint motion: coordinates by name, angles in radians.

    State paths as OpenSim's newer tools write them (`/jointset/hip_r/hip_flexion_r/value`) become
    coordinate names, and their speeds are left out. A file in degrees is converted.

    Args:
        path: str or path. A storage file.
        rotations: iterable of str. The model's rotational coordinates, which are the columns
            that degrees apply to.

    Returns:
        `(rows, coordinates)`, radians and metres, index `time` in seconds; `frame.attrs` holds
        `path`, and `in_degrees` as the file had it.
    """
    frame = read_storage(path)
    kept = {
        label: label.split("/")[-2] if label.endswith("/value") else label
        for label in frame.columns
        if not (label.startswith("/") and not label.endswith("/value"))
    }
    attributes = dict(frame.attrs)
    frame = frame[list(kept)].rename(columns=kept)
    if frame.columns.has_duplicates:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise InputError(f"{path}: coordinate '{twice}' is there twice; remove one")
    if attributes["in_degrees"]:
        angles = [label for label in frame.columns if label in set(rotations)]
        frame[angles] = np.deg2rad(frame[angles])
    frame.attrs = attributes
    return frame
