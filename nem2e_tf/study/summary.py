"""Summary of a study over subjects and tasks: a CSV table and an HTML page."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import pandas as pd
from scipy.stats import circmean, circstd

from nem2e_tf.files import Trial, replace_file
from nem2e_tf.report import Result, palette
from nem2e_tf.signals import find_steady_strides, gait_cycles

CSV, PAGE = "summary.csv", "summary.html"
SCORES = ("rmse", "r", "lag_ms")


@dataclass(frozen=True)
class Row:
    """The outcome of one trial.

    Args:
        subject: who moved.
        task: what was done.
        trial: which one of the subject.
        folder: of its result, within the study's; empty where there is none.
        report: name of its page in that folder; empty where there is none.
        found: the result existed already.
        fault: what is wrong with it, where there is no result.
        sound: whether muscles alone could make the joint moments.
        warnings: what has to be read before the result is used.
        muscles: by muscle `peak` and `mean` of the envelope over the recording; `phase`, per cent
            of the gait cycle at which the mean cycle peaks, 0 % being the knee's largest flexion
            in swing, NaN without two steady strides; and where EMG was measured `rmse`, `r` and
            `lag_ms` of the envelope and `simulated_rmse`, `simulated_r`, `simulated_lag_ms`.
    """

    subject: str
    task: str
    trial: str
    folder: str = ""
    report: str = ""
    found: bool = False
    fault: str = ""
    sound: bool | None = None
    warnings: tuple[str, ...] = ()
    muscles: dict[str, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def from_result(
        cls, trial: Trial, folder: str, report: str, result: Result, found: bool
    ) -> Self:
        """Row of a trial with a result in that folder."""
        facts = result.facts
        return cls(
            trial.subject, trial.task, trial.label, folder, report, found,
            sound=facts.verdict.is_sound, warnings=tuple(facts.warnings),
            muscles=_muscle_measures(result),
        )  # fmt: skip

    @property
    def state(self) -> str:
        """`made`, `found` or `failed`."""
        return "failed" if self.fault else "found" if self.found else "made"

    @property
    def link(self) -> str:
        """URL of the trial's page, or of its folder if there is no page."""
        return quote(f"{self.folder}/{self.report}")

    def as_json(self) -> dict[str, Any]:
        """Plain tables and lists."""
        return {"state": self.state, **asdict(self)}


def _muscle_measures(result: Result) -> dict[str, dict[str, float]]:
    refined, scores = result.refined, result.facts.scores
    phases = _peak_phases(result)
    entry: dict[str, dict[str, float]] = {}
    for muscle in refined:
        name = str(muscle)
        envelope = refined[muscle].to_numpy()
        entry[name] = {
            "peak": float(envelope.max()),
            "mean": float(envelope.mean()),
            "phase": phases.get(name, np.nan),
        }
        if scores is not None and name in scores.refined:
            for prefix, errors in (("", scores.refined), ("simulated_", scores.simulated)):
                entry[name] |= {
                    f"{prefix}{score}": getattr(errors[name], score) for score in SCORES
                }
    return entry


def _peak_phases(result: Result) -> dict[str, float]:
    """Per cent of the gait cycle at which each muscle's mean cycle peaks; empty without gait."""
    knee = result.motion.get(f"knee_angle_{result.facts.inputs.side}")
    if knee is None:
        return {}
    starts, steady = find_steady_strides(knee)
    if steady.sum() < 2:
        return {}
    mean = gait_cycles(result.refined, starts)[steady].mean(axis=0)
    return {
        str(muscle): float(at) for muscle, at in zip(result.refined, mean.argmax(0), strict=True)
    }


def summary_table(rows: Sequence[Row]) -> pd.DataFrame:
    """Table with a line for every muscle of every trial, and one for a failed trial."""
    lines = []
    for row in rows:
        shared = {
            "subject": row.subject, "task": row.task, "trial": row.trial, "folder": row.folder,
            "fault": row.fault, "sound": row.sound, "warnings": len(row.warnings) or None,
        }  # fmt: skip
        muscles = row.muscles or {"": {}}
        lines += [{**shared, "muscle": muscle, **measured} for muscle, measured in muscles.items()]
    columns = ["subject", "task", "trial", "muscle", "peak", "mean", "phase", *SCORES,
               *(f"simulated_{score}" for score in SCORES),
               "sound", "warnings", "fault", "folder"]  # fmt: skip
    return pd.DataFrame(lines, columns=columns)


def mean_over_subjects(rows: Sequence[Row]) -> dict[str, pd.DataFrame]:
    """By task, a table of muscles: mean and standard deviation over subjects.

    Trials of a subject are averaged first. Phases are averaged as circular quantities.
    """
    rows_table = summary_table([row for row in rows if not row.fault])
    rows_table["muscle"] = rows_table["muscle"].str.replace("_[rl]$", "", regex=True)
    summaries = {}
    for task, of_task in rows_table.groupby("task", sort=False):
        lines = {}
        for muscle, of_muscle in of_task.groupby("muscle", sort=False):
            people = of_muscle.groupby("subject", sort=False)
            line: dict[str, float] = {"subjects": float(len(people))}
            for measure in ("peak", "mean", "r", "simulated_r", "rmse", "simulated_rmse"):
                means = people[measure].mean()
                line |= {measure: float(means.mean()), f"{measure}_sd": float(means.std())}
            phases = [_circular_mean(person) for _, person in people["phase"]]
            line |= {
                "phase": _circular_mean(pd.Series(phases)),
                "phase_sd": _circular_sd(pd.Series(phases)),
            }
            lines[str(muscle)] = line
        summaries[str(task)] = pd.DataFrame.from_dict(lines, orient="index")
    return summaries


def _circular_mean(phases: pd.Series) -> float:
    known = phases.dropna()
    return float(circmean(known, high=100.0)) if len(known) else np.nan


def _circular_sd(phases: pd.Series) -> float:
    known = phases.dropna()
    return float(circstd(known, high=100.0)) if len(known) > 1 else np.nan


def write_summary(rows: Sequence[Row], folder: Path, title: str, refiner: str) -> None:
    """Write summary.csv and summary.html into a study's folder.

    Args:
        rows: of all trials.
        folder: path.
        title: of the study.
        refiner: name of the refiner.
    """

    import jinja2

    with replace_file(folder / CSV) as temporary:
        summary_table(rows).to_csv(temporary, index=False, lineterminator="\n", float_format="%.6g")
    loader = jinja2.PackageLoader("nem2e_tf.study", "")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["shown"] = _format_number
    page = environment.get_template("summary.html.jinja").render(
        palette=palette.css_variables(),
        title=title,
        refiner=refiner,
        rows=rows,
        failed=[row for row in rows if row.fault],
        tasks={task: of.to_dict("index") for task, of in mean_over_subjects(rows).items()},
    )
    with replace_file(folder / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _format_number(value: float, digits: int = 2) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"
