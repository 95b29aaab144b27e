"""What an evaluation found, as tables: those of a page, and tidy ones that are kept beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from nem2e_tf.refiner import Card

from .protocols import PROTOCOLS
from .scoring import SCORES

HEADINGS = {
    "block": "Later time of the same recording",
    "speed": "Another speed, another person",
    "task": "Another task of the same person",
    "subject": "Another person",
    "virtual": "Another person, fitted on virtual people only",
}
"""Of the protocols, on pages and in figures."""

Row = dict[str, float]


@dataclass(frozen=True)
class SectionTables:
    """A section of `results.json`: one test of a protocol.

    Args:
        protocol: what it is a test of.
        found: as `training.evaluation.results.Result.as_json` made it.
        nine: a row a method, over all that was measured.
        five: over those of the default five that were.
        muscles: a row a method and muscle.
        p: a row a method and a column a muscle, RMSE against raw; empty where people are few.
    """

    protocol: str
    found: Mapping[str, Any]
    nine: pd.DataFrame
    five: pd.DataFrame
    muscles: pd.DataFrame
    p: pd.DataFrame

    @classmethod
    def of(cls, protocol: str, found: Mapping[str, Any]) -> "SectionTables":
        """Tables of what was found."""
        methods = found["methods"]

        def table(rows: Mapping[Any, Any]) -> pd.DataFrame:
            return pd.DataFrame(rows, dtype=float).T

        every = {
            (m, muscle): row for m, of in methods.items() for muscle, row in of["muscles"].items()
        }
        tested = {m: of["wilcoxon_p"] for m, of in methods.items() if of["wilcoxon_p"]}
        nine, five = (
            table({m: of[which] for m, of in methods.items()}) for which in ("nine", "five")
        )
        return cls(protocol, found, nine, five, table(every), table(tested))

    @property
    def title(self) -> str:
        """What was fitted and tested."""
        return str(self.found["title"])

    @property
    def data(self) -> str:
        """Real recordings or virtual people."""
        return str(self.found["data"])

    @property
    def people(self) -> int:
        """How many were tested."""
        return int(self.found["people"])

    @property
    def methods(self) -> list[str]:
        """What was scored."""
        return list(self.found["methods"])

    @property
    def names(self) -> list[str]:
        """Of the muscles."""
        return list(self.found["methods"]["raw"]["muscles"])

    def parameters(self, method: str) -> int | None:
        """How many weights a method has."""
        count: int | None = self.found["methods"][method]["parameters"]
        return count


def row_of(table: pd.DataFrame, key: str | tuple[str, str]) -> Row:
    """One row, by the names of the columns."""
    values = table.loc[[key]].to_numpy(dtype=float)[0]
    return {str(name): float(value) for name, value in zip(table.columns, values, strict=True)}


def sections_of(found: Mapping[str, Any]) -> dict[str, list[SectionTables]]:
    """By protocol, its sections.

    Args:
        found: of `training.evaluation.results.results_as_json`.
    """
    return {
        name: [SectionTables.of(name, section) for section in protocol["sections"]]
        for name, protocol in sorted(
            found["protocols"].items(), key=lambda item: PROTOCOLS.index(item[0])
        )
    }


def tidy_tables(found: Mapping[str, Any], cards: Mapping[str, Card]) -> dict[str, pd.DataFrame]:
    """The tables that are kept as .csv beside the page, by name.

    Args:
        found: of `training.evaluation.results.results_as_json`.
        cards: of the shipped refiners, by name.

    Returns:
        `means`: a row a protocol, test, method and set of muscles (`all`, `default five`).
        `scores`: a row a protocol, test, method, muscle and score; `all` are means. `wilcoxon`: p
        against raw. `cycle`: where in the gait cycle STDR-Net's absolute error differs from raw's.
        `refiners`: the cards, by muscle. `ablations`.
    """
    every = [(name, of) for name, sections in sections_of(found).items() for of in sections]
    return {
        "means": pd.DataFrame([row for name, of in every for row in _means(name, of)]),
        "scores": pd.DataFrame([row for name, of in every for row in _scores(name, of)]),
        "wilcoxon": pd.DataFrame(
            [
                {"protocol": name, "test": of.title, "method": method, "muscle": muscle, "p": p}
                for name, of in every
                for method, row in of.p.to_dict("index").items()
                for muscle, p in row.items()
            ],
            columns=["protocol", "test", "method", "muscle", "p"],
        ),
        "cycle": pd.DataFrame(
            [
                {
                    "protocol": name, "test": of.title, "muscle": muscle, "error": which,
                    "from_percent": first, "to_percent": last,
                }
                for name, of in every
                for which, muscles in of.found["spm"].items()
                for muscle, spans in muscles.items()
                for first, last in spans
            ],
            columns=["protocol", "test", "muscle", "error", "from_percent", "to_percent"],
        ),
        "refiners": pd.DataFrame(_refiners(cards)),
        "ablations": pd.DataFrame(
            [
                {"change": change, "test": test} | dict(row)
                for change, tests in found["ablations"].get("rows", {}).items()
                for test, row in tests.items()
            ],
            columns=["change", "test", "data", "parameters", "rmse", "to_raw", "r", "better", "of"],
        ),
    }  # fmt: skip


def _means(protocol: str, of: SectionTables) -> list[dict[str, Any]]:
    named = ("r", "rmse", "nrmse", "r2", "lag_ms", "to_raw", "to_ridge", "better", "of")
    return [
        {
            "protocol": protocol, "test": of.title, "data": of.data, "people": of.people,
            "method": method, "parameters": of.found["methods"][method]["parameters"],
            "muscles": which, **{name: row[name] for name in named},
        }
        for method in of.methods
        for which, table in (("all", of.nine), ("default five", of.five))
        for row in (row_of(table, method),)
    ]  # fmt: skip


def _scores(protocol: str, of: SectionTables) -> list[dict[str, Any]]:
    rows = []
    for method in of.methods:
        means = {"all": row_of(of.nine, method)}
        muscles = {muscle: row_of(of.muscles, (method, muscle)) for muscle in of.names}
        for muscle, row in (means | muscles).items():
            rows += [
                {
                    "protocol": protocol, "test": of.title, "data": of.data,
                    "errors": of.found["errors"], "people": of.people, "method": method,
                    "muscle": muscle, "score": score, "value": row[score],
                    "sd_over_people": row[f"{score}_sd"], "cycle_mean": row.get(f"cycle_{score}"),
                    "cycle_sd": row.get(f"cycle_{score}_sd"),
                }
                for score in SCORES
            ]  # fmt: skip
    return rows


def _refiners(cards: Mapping[str, Card]) -> list[dict[str, Any]]:
    rows = []
    for name, card in cards.items():
        for test, found in card.scores.items():
            for task, of in found["tasks"].items():
                for muscle, row in of["muscles"].items():
                    bounds = {
                        f"{score}_90_{end}": value
                        for score in ("rmse", "r")
                        for end, value in zip(
                            ("low", "high"), row[f"{score}_90"] or (None, None), strict=True
                        )
                    }
                    plain = ("raw_rmse", "rmse", "raw_r", "r", "lag_ms")
                    rows.append(
                        {
                            "refiner": name, "test": test, "data": found["data"],
                            "errors": found["errors"], "task": task, "muscle": muscle,
                            **{score: row[score] for score in plain}, **bounds,
                            "coverage": row.get("coverage"),
                        }
                    )  # fmt: skip
    return rows


def means_of(cards: Mapping[str, Card], refiner: str, test: str) -> dict[str, Mapping[str, Any]]:
    """By task, what a card says of a test: `mean`, `mean_of_five`, `muscles`; empty if nothing."""
    card = cards.get(refiner)
    tasks: dict[str, Mapping[str, Any]] = {}
    if card is not None and test in card.scores:
        tasks = card.scores[test]["tasks"]
    return tasks


def tested_on(sections: Sequence[SectionTables], data: str) -> list[SectionTables]:
    """Those whose people are real, or virtual."""
    return [section for section in sections if section.data == data]
