"""Every bad input of docs/errors.md gets its line, and nothing is left behind."""

from pathlib import Path

import pytest

from tests.cli.bad_inputs import TABLE, Case, make_person, page, told
from tests.repository import ROOT

CASES = [
    pytest.param(case, id=f"{title}: {case.given}")
    for title, cases in TABLE.items()
    for case in cases
]


@pytest.fixture(scope="module")
def person(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_person(tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize("case", CASES)
def test_a_bad_input_is_told_in_exactly_this_line(case: Case, person: Path) -> None:
    assert told(case, person) == case.message
    assert len(case.message.splitlines()) == 1


def test_the_page_of_errors_is_made_of_these_cases() -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == page()


def test_no_two_cases_are_the_same() -> None:
    named = [(title, case.given) for title, cases in TABLE.items() for case in cases]
    assert len(named) == len(set(named)) >= 40
