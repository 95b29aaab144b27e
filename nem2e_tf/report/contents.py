"""Content of a report: texts, tables and charts of a result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.report import curves
from nem2e_tf.report.curves import HEIGHT, Axis, Chart, Mark
from nem2e_tf.report.cycles import Cycles
from nem2e_tf.report.facts import Facts, Scores, Timing
from nem2e_tf.report.result import Result
from nem2e_tf.signals import Burst, find_bursts, gait
from nem2e_tf.simulation import MAX_MARKER_ERROR, MAX_MARKER_RMS

CURVES = ("simulated", "refined", "measured")
SAME_SCALE_RATIO = 2.0
"""Measured EMG is rescaled for drawing if its peak differs from the refined one by this factor."""


@dataclass(frozen=True)
class Muscle:
    """A muscle's charts.

    Args:
        name: of the muscle in the result.
        time: over time.
        cycle: by gait cycle, or None.
        measured_scale: factor by which measured EMG is multiplied in the charts.
        bursts: by curve.
    """

    name: str
    time: Chart
    cycle: Chart | None
    measured_scale: float
    bursts: dict[str, list[Burst]]


def page_contents(result: Result) -> dict[str, Any]:
    """The variables of the page's template."""
    cycles = Cycles.from_result(result)
    muscles = [_muscle_charts(result, name, cycles) for name in result.facts.muscles]
    facts = result.facts
    return {
        "facts": facts,
        "cycles": cycles,
        "muscles": muscles,
        "banded": not result.bounds.empty,
        "measured": result.measured is not None,
        "scaled": any(muscle.measured_scale != 1.0 for muscle in muscles),
        "warnings": [*facts.warnings, *_marker_warnings(facts)],
        "trust": _trust_sentence(facts),
        "markers": facts.marker_error_table(),
        "overall": _overall_marker_rms(facts),
        "means": _mean_scores(facts),
        "attention": None if facts.timing is None else _attention_chart(facts.timing),
        "citations": _citations(facts),
    }


def _muscle_charts(result: Result, name: str, cycles: Cycles) -> Muscle:
    series = {"refined": result.refined[name]}
    if name in result.simulated:
        series["simulated"] = result.simulated[name]
    scale = 1.0
    if result.measured is not None and name in result.measured:
        measured = result.measured[name]
        scale = _display_scale(result.refined[name], measured)
        series["measured"] = measured * scale
    edges = {}
    if not result.bounds.empty:
        edges = {edge: result.bounds[f"{name}_{edge}"] for edge in ("lower", "upper")}
    means = {of: cycles.mean(curve) for of, curve in {**series, **edges}.items()}
    known_means = (
        {of: mean for of, mean in means.items() if mean is not None} if cycles.has_mean else {}
    )
    return Muscle(
        name,
        _time_chart(name, series, edges, cycles),
        _cycle_chart(name, known_means) if "refined" in known_means else None,
        scale,
        # The last of 101 points is the first of the next cycle.
        {of: find_bursts(known_means[of][0][:-1]) for of in CURVES if of in known_means},
    )


def _display_scale(refined: pd.Series, measured: pd.Series) -> float:
    """Factor that brings measured EMG to the refined scale; 1 if the two are comparable."""
    refined_peak, measured_peak = (
        float(np.percentile(values, 99.5)) for values in (refined, measured)
    )
    if (
        refined_peak <= 0
        or measured_peak <= 0
        or 1 / SAME_SCALE_RATIO <= measured_peak / refined_peak <= SAME_SCALE_RATIO
    ):
        return 1.0
    return float(f"{refined_peak / measured_peak:.2g}")


def _time_chart(
    name: str, series: dict[str, pd.Series], edges: dict[str, pd.Series], cycles: Cycles
) -> Chart:
    refined = series["refined"]
    start, end = float(refined.index[0]), float(refined.index[-1])
    unit = curves.units_per_second(end - start)
    left, right = _axes(series, edges)

    def x(curve: pd.Series) -> np.ndarray:
        return (curve.index.to_numpy() - start) * unit

    marks = []
    inner_starts = cycles.starts[(cycles.starts > start) & (cycles.starts < end)]
    if len(inner_starts):
        ticks = " ".join(f"M{at:.0f} 0v{HEIGHT}" for at in (inner_starts - start) * unit)
        marks.append(Mark("cycles", "line", ticks))
    if left is not None:
        raw = series["simulated"]
        marks.append(Mark("simulated", "area", curves.area_path(x(raw), raw.to_numpy(), left.top)))
    if edges:
        low, high = edges["lower"].to_numpy(), edges["upper"].to_numpy()
        marks.append(Mark("interval", "band", curves.band_path(x(refined), low, high, right.top)))
    for curve in ("measured", "refined"):
        if curve in series:
            path = curves.line_path(x(series[curve]), series[curve].to_numpy(), right.top)
            marks.append(Mark(curve, "line", path))
    peaks = ", ".join(
        f"{curve} up to {series[curve].max():.2g}" for curve in CURVES if curve in series
    )
    return Chart(
        f"{name} from {start:g} to {end:g} s: {peaks}", start, end, round((end - start) * unit),
        marks, left, right, curves.range_axis(start, end),
    )  # fmt: skip


def _cycle_chart(name: str, means: dict[str, tuple[np.ndarray, np.ndarray]]) -> Chart:
    """Chart of mean curves at 0-100 % of the cycle, each with its SD as a band."""
    series = {curve: pd.Series(mean + spread) for curve, (mean, spread) in means.items()}
    edges = {curve: series.pop(curve) for curve in list(series) if curve in ("lower", "upper")}
    left, right = _axes(series, edges)
    x = gait.PHASES * HEIGHT
    marks = []
    for edge in edges:
        marks.append(Mark("interval", "edge", curves.line_path(x, means[edge][0], right.top)))
    for curve in CURVES:
        if curve in means:
            mean, spread = means[curve]
            top = right.top if curve != "simulated" or left is None else left.top
            low = np.maximum(mean - spread, 0.0)
            marks.append(Mark(curve, "band", curves.band_path(x, low, mean + spread, top)))
            marks.append(Mark(curve, "line", curves.line_path(x, mean, top)))
    peaks = ", ".join(
        f"{curve} is largest at {int(means[curve][0].argmax())} % with {means[curve][0].max():.2g}"
        for curve in CURVES
        if curve in means
    )
    label = f"{name}, mean of the gait cycles: {peaks}"
    return Chart(label, 0, 100, HEIGHT, marks, left, right, curves.range_axis(0, 100, 5))


def _axes(series: dict[str, pd.Series], edges: dict[str, pd.Series]) -> tuple[Axis | None, Axis]:
    """Axes of the simulation (left) and of envelopes (right), which have different units."""
    envelopes = [c.max() for of, c in {**series, **edges}.items() if of != "simulated"]
    left = curves.value_axis(float(series["simulated"].max()), 3) if "simulated" in series else None
    return left, curves.value_axis(float(max(envelopes)), 3)


def _attention_chart(timing: Timing) -> Chart:
    """Chart of the attention along the cycle."""
    shares, offsets = np.array(timing.attention), np.array(timing.offsets)
    half = (offsets[1] - offsets[0]) / 2 if len(offsets) > 1 else 1.0
    low, high = offsets[0] - half, offsets[-1] + half
    centre = shares @ offsets / np.maximum(shares.sum(axis=1), 1e-9)
    x = (np.arange(len(shares)) + 0.5) / len(shares) * HEIGHT
    zero = round(HEIGHT * high / (high - low))
    rows = curves.range_axis(low, high, 5)
    return Chart(
        "Attention along the gait cycle; its centre lies between"
        f" {centre.min():.0f} and {centre.max():.0f} ms from the frame that is refined",
        0, 100, HEIGHT,
        [
            Mark("zero", "line", f"M0 {zero}h{HEIGHT}"),
            Mark("centre", "line", curves.line_path(x, centre - low, high - low)),
        ],
        rows, None, curves.range_axis(0, 100, 5), curves.heatmap_uri(shares.T),
    )  # fmt: skip


def _trust_sentence(facts: Facts) -> str:
    """The verdict in a sentence."""
    verdict = facts.verdict
    if not verdict.is_sound:
        return "Not everywhere: the muscles alone could not make the joint moments."
    if facts.unsupported is not None or verdict.notes():
        return (
            "In part: the muscles could make the joint moments, but motion, forces and the model's"
            " masses disagree."
        )
    return "Yes: the muscles could make the joint moments, and what is left over is small."


def _overall_marker_rms(facts: Facts) -> float | None:
    """RMS over all markers, metres."""
    errors = facts.marker_error_table()
    return None if errors is None else float(np.sqrt((errors["rms"] ** 2).mean()))


def _marker_warnings(facts: Facts) -> list[str]:
    errors, overall = facts.marker_error_table(), _overall_marker_rms(facts)
    if errors is None or overall is None or errors["worst"].isna().all():
        return []
    worst = errors["worst"].idxmax()
    if overall <= MAX_MARKER_RMS and errors["worst"].max() <= MAX_MARKER_ERROR:
        return []
    return [
        f"markers are off by {1000 * overall:.0f} mm (RMS over all), {worst} by"
        f" {1000 * errors['worst'].max():.0f} mm at worst; OpenSim's guide asks for less than"
        f" {1000 * MAX_MARKER_RMS:.0f} and {1000 * MAX_MARKER_ERROR:.0f} mm: is the model scaled"
        " to the subject?"
    ]


def _mean_scores(facts: Facts) -> dict[str, dict[str, float]]:
    """Mean scores over muscles, and the number of muscles whose refined curve is better."""
    scores = facts.scores
    if scores is None:
        return {}
    means = {"better": {score: float(_count_better(scores, score)) for score in ("rmse", "r")}}
    for kind, rows in (("refined", scores.refined), ("simulated", scores.simulated)):
        table = pd.DataFrame([row.model_dump() for row in rows.values()])
        means[kind] = {str(score): float(mean) for score, mean in table.mean().items()}
    return means


def _count_better(scores: Scores, score: str) -> int:
    sign = -1.0 if score == "rmse" else 1.0
    return sum(
        sign * getattr(row, score) > sign * getattr(scores.simulated[muscle], score)
        for muscle, row in scores.refined.items()
    )


def _citations(facts: Facts) -> Sequence[str]:
    version = facts.inputs.versions.get("nem2e-tf", "")
    listed = [
        f"This software: nem2e_tf {version}, refiner '{facts.refiner.name}'.",
        "The method: Teramae, Matsubara, Noda and Morimoto (2025), Neural-enhanced motion-to-EMG:"
        " refining simulated muscle activity from musculoskeletal models using a Seq2Seq approach."
        " doi 10.3389/fbioe.2025.1611414",
        "OpenSim: Delp et al. (2007), IEEE Trans Biomed Eng 54:1940. doi 10.1109/TBME.2007.901024;"
        " Seth et al. (2018), PLoS Comput Biol 14:e1006223. doi 10.1371/journal.pcbi.1006223",
        "The thresholds of the verdict: Hicks et al. (2015), J Biomech Eng 137:020905."
        " doi 10.1115/1.4029304",
    ]
    solver = _SOLVERS.get(facts.inputs.solver)
    if solver is not None:
        listed.append(solver)
    if facts.model.publications:
        listed.append(f"The model, in its own words: {facts.model.publications}")
    return listed


_SOLVERS = {
    "moco": "MocoInverse: Dembia et al. (2020), PLoS Comput Biol 16:e1008493."
    " doi 10.1371/journal.pcbi.1008493",
    "cmc": "Computed muscle control: Thelen and Anderson (2006), J Biomech 39:1107."
    " doi 10.1016/j.jbiomech.2005.02.010",
}
