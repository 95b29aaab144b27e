"""The files of an evaluation: its numbers, its page, its appendix, its tables and its figures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nem2e_tf.files import replace_file
from nem2e_tf.refiner import Card

from ..experiment import Experiment
from .documents import write_page
from .results import figure_names
from .results_appendix import appendix
from .results_figures import draw_ratios, draw_summary
from .results_page import page
from .results_tables import sections_of, tidy_tables


def write_results(
    found: Mapping[str, Any],
    experiment: Experiment,
    cards: Mapping[str, Card],
    output: Path,
    former: Mapping[str, Any],
) -> dict[str, Any]:
    """Write all files of an evaluation; the figures that only numbers are needed for are drawn.

    Args:
        found: of `training.evaluation.results.results_as_json`.
        experiment: how networks were fitted.
        cards: of the shipped refiners, by name.
        output: path without ending. `.json`, `.md`, a folder of that name, `-<name>.png`.
        former: what was there before. Figures of it that `found` does not name are removed.

    Returns:
        What was written as .json: `found`, with the names of its figures.
    """
    sections = sections_of(found)
    picture = draw_summary(sections, output)
    protocols = {
        name: {**found["protocols"][name], "figures": [draw_ratios(name, of, output)]}
        for name, of in sections.items()
    }
    written = {**found, "protocols": protocols}
    with replace_file(output.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8", newline="\n")
    write_page(
        output.with_suffix(".md"),
        page(written, experiment, cards, picture, output.name),
        appendix(written, experiment, cards, output.name),
        tidy_tables(written, cards),
    )
    for name in figure_names(former) - figure_names(written):
        output.with_name(name).unlink(missing_ok=True)
    return written
