"""Curves as SVG paths, drawn as wide as their place: the page's style gives them their colours."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HEIGHT = 1000
"""Of every chart, in its own units."""

TOLERANCE = 0.002
"""Of a chart's height: how far a simplified curve may be from the whole one."""

MAX_WIDTH, MAX_UNITS_PER_SECOND = 30_000, 500
"""Units across a chart, and in a second: what a path resolves, so that a long page stays small."""


@dataclass(frozen=True)
class Axis:
    """A scale from 0 to `top`, and what is written beside it: `(per cent of its length, text)`."""

    top: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Mark:
    """A path of a chart.

    Args:
        of: what it shows: `simulated`, `refined`, `measured`, ….
        form: how: `line`, `area`, `band`, `edge`.
        path: SVG path data.
    """

    of: str
    form: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A picture with its axes.

    Args:
        label: what somebody who cannot see it should be told.
        start: at the left edge, seconds or per cent.
        end: at the right edge.
        width: of the picture, in its own units.
        marks: in the order in which they are drawn.
        left: Axis or None.
        right: Axis or None.
        bottom: Axis.
        image: data URI of a picture behind the marks, or nothing.
    """

    label: str
    start: float
    end: float
    width: int
    marks: list[Mark]
    left: Axis | None
    right: Axis | None
    bottom: Axis
    image: str = ""


def units_per_second(seconds: float) -> float:
    """Of a chart over time, in a second."""
    return min(MAX_UNITS_PER_SECOND, MAX_WIDTH / seconds)


def value_axis(top: float, most: int = 4) -> Axis:
    """An axis from 0 to at least `top`, with round numbers on it."""
    from matplotlib.ticker import MaxNLocator

    top = 1.04 * top if top > 0 else 1.0
    values = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5]).tick_values(0, top)
    return Axis(top, [(100 * v / top, f"{v:.6g}") for v in values if 0 <= v <= top])


def range_axis(start: float, end: float, most: int = 8) -> Axis:
    """An axis along the bottom."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(nbins=most, steps=[1, 2, 5]).tick_values(start, end)
    inside = [v for v in values if start - 1e-9 <= v <= end + 1e-9]
    return Axis(end, [(100 * (v - start) / (end - start), f"{v:.6g}") for v in inside])


def line_path(x: np.ndarray, y: np.ndarray, top: float) -> str:
    """A curve. `x` is in the chart's own units, `y` on an axis up to `top`."""
    return _path_data(_simplify(x, y, top))


def area_path(x: np.ndarray, y: np.ndarray, top: float) -> str:
    """What is between a curve and zero."""
    points = _simplify(x, y, top)
    return _path_data(np.vstack([[points[0, 0], HEIGHT], points, [points[-1, 0], HEIGHT]])) + "z"


def band_path(x: np.ndarray, low: np.ndarray, high: np.ndarray, top: float) -> str:
    """What is between two curves."""
    return _path_data(np.vstack([_simplify(x, high, top), _simplify(x, low, top)[::-1]])) + "z"


def heatmap_uri(values: np.ndarray) -> str:
    """An array `(rows, columns)`, the first row at the bottom, as a picture in a data URI."""
    from matplotlib.image import imsave

    content = io.BytesIO()
    imsave(content, values, cmap="cividis", vmin=0.0, origin="lower", format="png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _simplify(x: np.ndarray, y: np.ndarray, top: float) -> np.ndarray:
    """Corners `(points, 2)` in the chart's units."""
    from matplotlib.path import Path

    # What is far beyond its axis is cut off by the chart's edge anyway.
    height = np.clip(HEIGHT * (1.0 - y / top), -HEIGHT, 2 * HEIGHT)
    path = Path(np.column_stack([x, height]))
    path.simplify_threshold = TOLERANCE * HEIGHT
    # The library ends a path with a point at the origin, which only says that it ends.
    return np.asarray(path.cleaned(simplify=True).vertices)[:-1]


def _path_data(points: Sequence[Sequence[float]] | np.ndarray) -> str:
    """Whole numbers, each point from the one before."""
    corners = np.rint(np.asarray(points)).astype(int)
    moves = np.diff(corners, axis=0)
    moves = moves[(moves != 0).any(axis=1)]
    text = " ".join(f"{dx} {dy}" for dx, dy in moves.tolist()).replace(" -", "-")
    return f"M{corners[0, 0]} {corners[0, 1]}" + (f"l{text}" if text else "")
