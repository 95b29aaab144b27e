"""The results of an evaluation as numbers, and the file that holds them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nem2e_tf.cli import terminal
from nem2e_tf.errors import InputError

from .scoring import (
    DEFAULT_MUSCLES,
    SCORES,
    Section,
    absolute_errors,
    muscle_means,
    scores,
    summary,
)
from .statistics import Interval, signed_rank_test, significant_intervals

REFINED = "stdr_net"
MEASURED = "measured unit"


@dataclass(frozen=True)
class Result:
    """A section and its numbers.

    Args:
        section: Section.
        table: of `training.evaluation.scoring.scores`.
        nine: of `training.evaluation.scoring.summary`, over all that was measured.
        five: over those of the default five that were.
        p: of `training.evaluation.statistics.signed_rank_test`, RMSE against raw.
        smaller: by muscle, where in the cycle STDR-Net's absolute error is smaller than raw's.
        larger: where it is larger.
    """

    section: Section
    table: pd.DataFrame
    nine: pd.DataFrame
    five: pd.DataFrame
    p: pd.DataFrame
    smaller: dict[str, list[Interval]]
    larger: dict[str, list[Interval]]

    @classmethod
    def from_section(cls, section: Section) -> "Result":
        """Compute the numbers of a section."""
        table, muscles = scores(section), section.muscles
        smaller, larger = {}, {}
        if REFINED in section.methods:
            refined, raw = (absolute_errors(section, method) for method in (REFINED, "raw"))
            for i, muscle in enumerate(muscles):
                smaller[muscle], larger[muscle] = significant_intervals(
                    refined[:, :, i], raw[:, :, i], tests=len(muscles)
                )
        return cls(
            section,
            table,
            summary(table, muscles),
            summary(table, [muscle for muscle in DEFAULT_MUSCLES if muscle in muscles]),
            signed_rank_test(table),
            smaller,
            larger,
        )

    def as_json(self) -> dict[str, Any]:
        """The numbers as JSON types, rounded."""
        section, muscles = self.section, muscle_means(self.table).round(4)
        return {
            "title": section.title,
            "data": section.data,
            "errors": MEASURED if section.has_measured_unit else "share of the person's maximum",
            "people": len(section.subjects),
            "seconds": round(section.seconds, 1),
            "cycles": section.cycles,
            "methods": {
                method: {
                    "parameters": section.parameters[method],
                    "nine": self.nine.loc[method].round(4).to_dict(),
                    "five": self.five.loc[method].round(4).to_dict(),
                    "muscles": pd.DataFrame(muscles.loc[method]).to_dict("index"),
                    "wilcoxon_p": self.p.loc[method].to_dict() if method in self.p.index else None,
                }
                for method in section.methods
            },
            "spm": {"smaller": self.smaller, "larger": self.larger},
        }


def ablation_result(sections: Sequence[Section]) -> dict[str, Any]:
    """By section, STDR-Net's RMSE, its ratio to raw's, r and parameters."""
    found = {}
    for section in sections:
        row = summary(scores(section), section.muscles).to_dict("index")[REFINED]
        found[section.title] = {
            "data": section.data,
            "parameters": section.parameters[REFINED],
            **{name: round(float(row[name]), 4) for name in ("rmse", "to_raw", "r")},
            "better": int(row["better"]),
            "of": int(row["of"]),
        }
    return found


def results_as_json(
    protocols: Mapping[str, Mapping[str, Any]], ablations: Mapping[str, Any]
) -> dict[str, Any]:
    """All results as JSON types, as `results.json` holds them.

    Args:
        protocols: by name, `command`, `date`, `figures` and `sections`, of `Result.as_json` and
            each with its `figures`; of `subject` also `groups`.
        ablations: `command`, `date`, and as `rows` by name, of `ablation_result`; or nothing.
    """
    plain: dict[str, Any] = terminal.replace_non_finite(
        {
            "scores": list(SCORES),
            "nrmse_denominator": "range of the measured envelope",
            "lag": "ms, positive where the estimate comes late",
            "protocols": protocols,
            "ablations": ablations,
        }
    )
    return plain


def figure_names(found: Mapping[str, Any]) -> set[str]:
    """The file names of all figures in results of `results_as_json`."""
    protocols = found["protocols"].values()
    of = [part["figures"] for p in protocols for part in (p, *p["sections"])]
    return {Path(name).name for names in of for name in names}


def read_results(path: Path) -> dict[str, Any]:
    """Read the results of `results_as_json` from a file; empty where there is none.

    Raises:
        InputError: the file does not hold results.
    """
    if not path.exists():
        return {"protocols": {}, "ablations": {}}
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        figure_names(found)
        assert isinstance(found["ablations"], dict)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError):
        raise InputError(
            f"{path}: not results of training.evaluate; name another place with --output"
        ) from None
    return found
