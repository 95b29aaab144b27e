"""Curves as SVG paths, stretched to the width of their element and coloured by the page's CSS."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HEIGHT = 1000
"""Height of every chart, in its own units."""

TOLERANCE = 0.002
"""Largest distance of a simplified curve from the whole one, relative to the chart's height."""

MAX_WIDTH, MAX_UNITS_PER_SECOND = 30_000, 500
"""Largest width of a chart, and units per second: they limit the size of a long page."""


@dataclass(frozen=True)
class Axis:
    """A scale from 0 to `top`, with ticks: `(per cent of its length, text)`."""

    top: float
    ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Mark:
    """A path of a chart.

    Args:
        curve: `simulated`, `refined`, `measured`, ….
        form: `line`, `area`, `band`, `edge`.
        path: SVG path data.
    """

    curve: str
    form: str
    path: str


@dataclass(frozen=True)
class Chart:
    """A chart with its axes.

    Args:
        label: description for screen readers.
        start: value at the left edge, seconds or per cent.
        end: value at the right edge.
        width: of the chart, in its own units.
        marks: in drawing order.
        left: Axis or None.
        right: Axis or None.
        bottom: Axis.
        image: data URI of an image behind the marks; empty if there is none.
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
    """Units per second of a chart over time."""
    return min(MAX_UNITS_PER_SECOND, MAX_WIDTH / seconds)


def value_axis(top: float, most: int = 4) -> Axis:
    """An axis from 0 to at least `top`, with round numbers on it."""
    from matplotlib.ticker import MaxNLocator

    top = 1.04 * top if top > 0 else 1.0
    values = MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5]).tick_values(0, top)
    return Axis(top, [(100 * v / top, f"{v:.6g}") for v in values if 0 <= v <= top])


def range_axis(start: float, end: float, most: int = 8) -> Axis:
    """A horizontal axis from `start` to `end`."""
    from matplotlib.ticker import MaxNLocator

    values = MaxNLocator(nbins=most, steps=[1, 2, 5]).tick_values(start, end)
    inside = [v for v in values if start - 1e-9 <= v <= end + 1e-9]
    return Axis(end, [(100 * (v - start) / (end - start), f"{v:.6g}") for v in inside])


def line_path(x: np.ndarray, y: np.ndarray, top: float) -> str:
    """Path of a curve. `x` is in the chart's own units, `y` on an axis up to `top`."""
    return _path_data(_simplify(x, y, top))


def area_path(x: np.ndarray, y: np.ndarray, top: float) -> str:
    """Path of the area between a curve and zero."""
    points = _simplify(x, y, top)
    return _path_data(np.vstack([[points[0, 0], HEIGHT], points, [points[-1, 0], HEIGHT]])) + "z"


def band_path(x: np.ndarray, low: np.ndarray, high: np.ndarray, top: float) -> str:
    """Path of the band between two curves."""
    return _path_data(np.vstack([_simplify(x, high, top), _simplify(x, low, top)[::-1]])) + "z"


def heatmap_uri(values: np.ndarray) -> str:
    """Heat map of `(rows, columns)`, the first row at the bottom, as a data URI."""
    from matplotlib.image import imsave

    content = io.BytesIO()
    imsave(content, values, cmap="cividis", vmin=0.0, origin="lower", format="png")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _simplify(x: np.ndarray, y: np.ndarray, top: float) -> np.ndarray:
    """Points `(points, 2)` of a simplified curve in the chart's units."""
    from matplotlib.path import Path

    # Values far outside the chart are clipped by its edge anyway.
    height = np.clip(HEIGHT * (1.0 - y / top), -HEIGHT, 2 * HEIGHT)
    path = Path(np.column_stack([x, height]))
    path.simplify_threshold = TOLERANCE * HEIGHT
    # matplotlib ends a path with a STOP vertex at the origin.
    return np.asarray(path.cleaned(simplify=True).vertices)[:-1]


def _path_data(points: Sequence[Sequence[float]] | np.ndarray) -> str:
    """SVG path data in integers, each point relative to the previous one."""
    corners = np.rint(np.asarray(points)).astype(int)
    moves = np.diff(corners, axis=0)
    moves = moves[(moves != 0).any(axis=1)]
    text = " ".join(f"{dx} {dy}" for dx, dy in moves.tolist()).replace(" -", "-")
    return f"M{corners[0, 0]} {corners[0, 1]}" + (f"l{text}" if text else "")
