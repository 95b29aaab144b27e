"""The page of an evaluation: how good is it, then a table for each protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

from nem2e_tf.refiner import Card

from ..experiment import Experiment
from .documents import as_list, as_words, format_count, format_number, format_people, markdown_table
from .methods import METHODS
from .protocols import REAL, VIRTUAL
from .results import REFINED
from .results_tables import HEADINGS, SectionTables, means_of, row_of, sections_of, tested_on

LATER = "later time of the same recordings"
UNSEEN = "virtual people never seen"
OTHER = "another person in another laboratory"
"""Tests of a card's scores."""


def page(
    found: Mapping[str, Any],
    experiment: Experiment,
    cards: Mapping[str, Card],
    picture: str,
    name: str,
) -> str:
    """The page, as Markdown.

    Args:
        found: of `training.evaluation.results.results_as_json`.
        experiment: how networks were fitted, and on whom.
        cards: of the shipped refiners, by name.
        picture: name of the figure at its top.
        name: of the page and of the folder with its appendix and its data.
    """
    sections = sections_of(found)
    parts = [
        "# Results",
        f"![Mean r of the raw simulation, of a ridge regression and of STDR-Net]({picture})",
        _CAPTION,
        as_list(answer(found, experiment, cards)),
        "## The shipped refiners",
        _SHIPPED,
        shipped_table(cards),
        _PROTOCOLS,
    ]
    for protocol in sections:
        ran = found["protocols"][protocol]
        notes = [_WHAT[protocol].format(fitted=_fitted_on(experiment))]
        if protocol == "subject":
            notes.append(_left_out(sections[protocol], ran["groups"]))
        parts += [
            f"## {HEADINGS[protocol]} (`{protocol}`)",
            " ".join([*notes, f"Run on {ran['date']}."]),
            _protocol_table(sections[protocol]),
        ]
    if ablations := found["ablations"]:
        parts += [
            "## Ablations",
            f"{_ABLATIONS} Run on {ablations['date']}.",
            _ablation_table(ablations["rows"]),
        ]
    commands = [ran["command"] for ran in found["protocols"].values()]
    commands += [ablations["command"]] if ablations else []
    parts.append(_MORE.format(name=name, command="\n".join(dict.fromkeys(commands))))
    return "\n\n".join(parts) + "\n"


def answer(
    found: Mapping[str, Any], experiment: Experiment, cards: Mapping[str, Card]
) -> list[str]:
    """Up to five sentences that say how good the refiners are, as far as there are numbers."""
    sections = sections_of(found)
    sentences = []
    later = {task: means_of(cards, task, LATER).get(task) for task in ("walking", "running")}
    unseen = {task: means_of(cards, task, UNSEEN).get(task) for task in ("walking", "running")}
    if all(later.values()):
        sentences.append(
            "On later time of the recordings that they were fitted on (one adult), the shipped"
            " refiners raise the mean correlation with measured EMG over nine muscles from"
            f" {_from_to(later, 'r')}, and lower the RMSE to {_ratio(later['walking'])} and"
            f" {_ratio(later['running'])} of that of the raw simulation."
        )
    if all(unseen.values()):
        worst = [
            as_words(min(of["muscles"], key=lambda muscle: of["muscles"][muscle]["r"]))
            for of in unseen.values()
            if of is not None
        ]
        sentences.append(
            "On 20 virtual people that no refiner has seen (synthetic), r rises from"
            f" {_from_to(unseen, 'r')}; the worst muscle is {worst[0]} in walking and {worst[1]}"
            " in running."
        )
    if other := means_of(cards, "walking", OTHER).get("walking"):
        mean = other["mean"]
        sentences.append(
            "On one stride of another real person in another laboratory, r rises from"
            f" {_r(mean, 'raw_r')} to {_r(mean, 'r')} and is better for {mean['better_r']} of"
            f" {mean['muscles']} muscles; the RMSE is better for {mean['better_rmse']} of"
            f" {mean['muscles']}."
        )
    if "block" in sections and "virtual" in sections:
        block = sections["block"]
        virtual = tested_on(sections["virtual"], VIRTUAL)
        sentences.append(
            "Simple methods come close: a ridge regression that is fitted on the same data reaches"
            f" an r of {_both(block, 'ridge')} on later time of walking and running, where STDR-Net"
            f" reaches {_both(block, REFINED)}, and {_both(virtual, 'ridge')} on virtual people"
            f" after a fit on {_fitted_on(experiment)} others, where STDR-Net reaches"
            f" {_both(virtual, REFINED)}."
        )
    if "task" in sections and REFINED in sections["task"][0].methods:
        shares = [
            f"{100 * row_of(of.nine, REFINED)['to_raw']:.0f} % ({of.title})"
            for of in sections["task"]
        ]
        sentences.append(
            "A network is less accurate on a task that it was not fitted on, even for the same"
            f" person: its RMSE is {' and '.join(shares)} of that of the raw simulation."
        )
    return sentences


def _fitted_on(experiment: Experiment) -> int:
    """How many virtual people the methods of `virtual` are fitted on."""
    others = experiment.others
    return 0 if others is None else others.subjects - others.held_out


def _r(mean: Mapping[str, Any], name: str) -> str:
    return format_number(mean[name], 2)


def _from_to(tasks: Mapping[str, Mapping[str, Any] | None], score: str) -> str:
    """As in '0.24 to 0.94 in walking and from 0.00 to 0.95 in running'."""
    parts = [
        f"{_r(of['mean'], f'raw_{score}')} to {_r(of['mean'], score)} in {task}"
        for task, of in tasks.items()
        if of is not None
    ]
    return " and from ".join(parts)


def _ratio(of: Mapping[str, Any] | None) -> str:
    """RMSE in per cent of raw's."""
    assert of is not None
    return f"{100.0 * of['mean']['rmse'] / of['mean']['raw_rmse']:.0f} %"


def _both(sections: Sequence[SectionTables], method: str) -> str:
    """Mean r of a method in each section."""
    found = [
        format_number(row_of(section.nine, method)["r"], 2)
        for section in sections
        if method in section.methods
    ]
    return " and ".join(found)


def shipped_table(cards: Mapping[str, Card]) -> str:
    """What the cards of the shipped refiners say, a row a refiner, test and task."""
    header = ["refiner", "tested on", "task", "RMSE, raw → refined", "r, raw → refined",
              "better by RMSE, by r", "interval holds"]  # fmt: skip
    rows = []
    for name, card in cards.items():
        for test, found in card.scores.items():
            for task, of in found["tasks"].items():
                mean = of["mean"]
                held = mean.get("coverage")
                rows.append([
                    f"`{name}`", f"{test}: {found['data']}", task,
                    f"{mean['raw_rmse']:.3f} → {mean['rmse']:.3f}",
                    f"{_r(mean, 'raw_r')} → {_r(mean, 'r')}",
                    f"{mean['better_rmse']}, {mean['better_r']} of {mean['muscles']}",
                    "–" if held is None else f"{100 * held:.0f} %",
                ])  # fmt: skip
    return markdown_table(header, rows, left=3)


def _left_out(sections: Sequence[SectionTables], groups: int) -> str:
    if groups >= max(section.people for section in sections):
        how = "Each virtual person alone is left out of the fit that is tested on them"
    else:
        how = f"The virtual people form {groups} groups; each is tested by a fit on the others"
    return f"{how}. Nobody is tested by a network that has seen them."


def _protocol_table(sections: Sequence[SectionTables]) -> str:
    """A row a method; of each test the mean r, the RMSE, and how many muscles are better."""
    header = ["method", "parameters"]
    for section in sections:
        kind = "real" if section.data == REAL else "synthetic"
        header.append(f"{section.title} ({kind}, {format_people(section.people)})")
    rows = []
    for method in sections[0].methods:
        cells = [METHODS[method], format_count(sections[0].parameters(method))]
        for section in sections:
            row = row_of(section.nine, method)
            better = "" if method == "raw" else f", {row['better']:.0f} of {row['of']:.0f}"
            cells.append(f"{format_number(row['r'], 2)}, {row['rmse']:.3f}{better}")
        rows.append(cells)
    return markdown_table(header, rows)


def _ablation_table(ablations: Mapping[str, Mapping[str, Any]]) -> str:
    first = next(iter(ablations.values()))
    header = ["change", "parameters", *(f"{test}: {of['data']}" for test, of in first.items())]
    rows = [
        [
            change,
            format_count(next(iter(tests.values()))["parameters"]),
            *(f"{of['r']:.3f}, {of['rmse']:.4f}" for of in tests.values()),
        ]
        for change, tests in ablations.items()
    ]
    return markdown_table(header, rows)


_CAPTION = """*Mean correlation r over all muscles that were measured, for every test of this page:
the raw simulation, a ridge regression and STDR-Net, fitted on the same recordings and tested on
others. Lines are ± one standard deviation over people.*"""

_SHIPPED = """From their cards: `nem2e fit` scores what it has fitted. RMSE on later time is in the
measured unit for `walking` and `running`, and elsewhere a share of a person's maximum. The virtual
people are the 20 of seed 1. The other person is the one stride of opensim-3d-walking. The
prediction interval should hold 90 % of the samples."""

_PROTOCOLS = """## Protocols

A protocol says which recordings a method is fitted on and which it is tested on. All methods of a
protocol are fitted on the same recordings in the same run. Each cell of the tables below has the
mean r over all muscles, the RMSE, and how many muscles have a lower RMSE than the raw simulation.
RMSE in `block` is in the measured unit; elsewhere it is a share of a person's maximum in the
trial, because EMG amplitudes cannot be compared between people, tasks or speeds."""

_WHAT = {
    "block": "Methods are fitted on the first 60 % of a recording and tested on its end.",
    "speed": "Methods are fitted on the slower half of 20 virtual people and tested on the faster"
    " half, and the other way round.",
    "task": "Methods are fitted on one task of the recorded person and tested on the other task.",
    "subject": "Methods are fitted on all other people and tested on people they have not seen.",
    "virtual": "Methods are fitted on the {fitted} virtual people that the shipped refiners were"
    " fitted on, and tested on other virtual people and on the two real persons.",
}

_ABLATIONS = """STDR-Net is fitted again with one setting changed
(`training/evaluation/ablations.yaml`). Half of the virtual people are tested by a fit on the other
half. A cell has the mean r and the RMSE."""

_MORE = """## Appendix and data

[The appendix]({name}/appendix.md) explains the methods and has every muscle and method. The data
are tables of comma-separated values: [means.csv]({name}/means.csv),
[scores.csv]({name}/scores.csv) (every muscle), [wilcoxon.csv]({name}/wilcoxon.csv) and
[cycle.csv]({name}/cycle.csv) (statistics), [refiners.csv]({name}/refiners.csv) (cards) and
[ablations.csv]({name}/ablations.csv). `{name}.json` has all of it. Written by

<!-- not run: takes hours, and writes this page -->
```bash
{command}
```

`python -m training.evaluate --page-only` writes the page again from `{name}.json`."""
