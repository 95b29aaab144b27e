"""Events of a C3D file: foot strikes and foot offs with their times."""

import re
from typing import Any

import numpy as np
import pandas as pd

COLUMNS = ("time", "side", "event", "label")

STRIKE = re.compile(r"(foot|heel|initial)[ _-]?(strike|contact|on|down)|[rl]?(hs|fs|ic|fc)\b", re.I)
OFF = re.compile(r"(foot|toe|terminal)[ _-]?(off|contact)|[rl]?(to|fo)\b", re.I)


def read_events(groups: Any, in_header: list[list[Any]]) -> pd.DataFrame:
    """Events of the group EVENT and of the header.

    Args:
        groups: the file's parameters, value by name by group.
        in_header: time and label of the header's events.

    Returns:
        A row an event in the order of time: `time` in seconds, on the clock of the markers; `side`
        `r`, `l` or empty; `event` `foot strike`, `foot off` or empty; `label` as in the file.
    """
    group = groups.get("EVENT", {})
    labels, contexts = (_texts(group, key) for key in ("LABELS", "CONTEXTS"))
    times = _times(group)
    used = np.ravel(group.get("USED", [len(times)]))
    count = min(len(times), int(used[0]) if len(used) else 0) if len(times) < 256 else len(times)
    rows = [
        (times[i], _side(_at(contexts, i), _at(labels, i)), _kind(_at(labels, i)), _at(labels, i))
        for i in range(count)
        if np.isfinite(times[i])
    ]
    known = {(round(row[0], 3), row[3][:4].lower()) for row in rows}
    rows += [
        (time, _side("", label), _kind(label), label)
        for time, label in in_header
        if np.isfinite(time) and (round(time, 3), label[:4].lower()) not in known
    ]
    return pd.DataFrame(sorted(rows), columns=list(COLUMNS))


def _times(group: Any) -> list[float]:
    """Seconds, from a column of minutes and seconds for every event."""
    found: list[float] = []
    for key in _keys("TIMES"):
        table = np.asarray(group.get(key, []), dtype=float)
        if table.ndim == 1 and table.size == 2:
            table = table[:, None]
        if table.ndim == 2 and len(table) == 2:
            found += (60 * table[0] + table[1]).tolist()
    return found


def _texts(group: Any, key: str) -> list[str]:
    return [str(text).strip() for name in _keys(key) for text in np.ravel(group.get(name, []))]


def _keys(name: str) -> list[str]:
    """A parameter goes on in another one beyond 255 entries."""
    return [name, *(f"{name}{number}" for number in range(2, 100))]


def _at(texts: list[str], i: int) -> str:
    return texts[i] if i < len(texts) else ""


def _side(context: str, label: str) -> str:
    for text in (context, label):
        first = text.strip()[:1].lower()
        is_word = re.match(r"(right|left)\b", text.strip(), re.I) is not None
        if first in ("r", "l") and (is_word or re.match(r"[rl](hs|fs|ic|fc|to|fo)\b", text, re.I)):
            return first
    return ""


def _kind(label: str) -> str:
    text = re.sub(r"\d+$", "", re.sub(r"^(right|left)\s+", "", label.strip(), flags=re.I)).strip()
    if OFF.match(text) and "initial" not in text.lower():
        # 'foot contact' is a strike, 'terminal contact' the end of one.
        if STRIKE.match(text) and not text.lower().startswith(("terminal", "toe")):
            return "foot strike"
        return "foot off"
    return "foot strike" if STRIKE.match(text) else ""
