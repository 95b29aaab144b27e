"""Pages that a command writes: Markdown tables, and the files of a page."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf.files import replace_file

APPENDIX = "appendix.md"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> str:
    """A table as Markdown.

    Args:
        header: names of the columns.
        rows: cells, as many a row as columns.
        left: how many of the first columns are aligned to the left; the others are numbers.
    """
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    return "\n".join("| " + " | ".join(line) + " |" for line in (header, rule, *rows))


def format_number(value: float, digits: int) -> str:
    """A number, without a sign where it rounds to zero; a dash where it is not finite."""
    text = f"{value:.{digits}f}" if np.isfinite(value) else "–"
    return text.removeprefix("-") if text.strip("-0.") == "" else text


def format_count(count: int | None) -> str:
    """A count with separators; nothing for None."""
    return "" if count is None else f"{count:,}"


def format_people(count: int) -> str:
    """As in '1 person', '20 people'."""
    return f"{count} {'person' if count == 1 else 'people'}"


def as_words(name: str) -> str:
    """A muscle's name without underscores."""
    return name.replace("_", " ")


def as_list(sentences: Iterable[str]) -> str:
    """Sentences as a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def write_page(
    page: Path, text: str, appendix: str | None, tables: Mapping[str, pd.DataFrame]
) -> None:
    """Write a page, and beside it a folder of the same name with its appendix and its data.

    Args:
        page: path of the page, a .md file.
        text: its Markdown.
        appendix: Markdown of `APPENDIX` in that folder, or None.
        tables: by name, tidy tables; each becomes a .csv file in that folder.
    """
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    files = {page: text} | {
        folder / f"{name}.csv": table.to_csv(index=False, lineterminator="\n")
        for name, table in tables.items()
    }
    if appendix is not None:
        files[folder / APPENDIX] = appendix
    for path, content in files.items():
        with replace_file(path) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
