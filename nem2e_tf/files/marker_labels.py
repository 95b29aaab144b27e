"""Names of markers: prefixes of subjects, names of another laboratory, nearest names."""

import difflib
import os
import re
from collections.abc import Iterable, Sequence

import pandas as pd

from nem2e_tf.errors import InputError, suggest_name
from nem2e_tf.files.documents import read_yaml

FEWEST_SHARED = 3
"""Names that two prefixes have in common where both are of people with the same marker set."""

FEWEST_OF_A_PERSON = 10
"""Markers of a second prefix, no fewer than half of the first one's, that are no object's."""

MOST_PAIRS = 6
"""Pairs that a message proposes."""

LONGEST_NAME = 100
"""Characters of a name that others are compared with."""


def find_subjects(labels: Iterable[str]) -> list[str]:
    """Prefixes of marker labels, as in `S01:RASI`, that may be of people; the largest first.

    Unlabelled points have no prefix, and objects have few markers. Where several are returned,
    the markers of several people are in one file.
    """
    names: dict[str, set[str]] = {}
    for label in labels:
        prefix, colon, name = label.partition(":")
        if colon and prefix and name:
            names.setdefault(prefix, set()).add(name)
    first, *others = sorted(names, key=lambda prefix: -len(names[prefix])) or [""]
    if not first:
        return []
    people = [first]
    for prefix in others:
        shared = len(names[prefix] & names[first])
        is_same_set = shared >= FEWEST_SHARED and 2 * shared >= len(names[prefix])
        is_large = len(names[prefix]) >= max(FEWEST_OF_A_PERSON, len(names[first]) / 2)
        if is_same_set or is_large:
            people.append(prefix)
    return people


def remove_prefix(labels: Sequence[str], prefix: str) -> list[str]:
    """The labels without the subject's prefix, all different.

    Another label that is the same as one of the subject's names, or is there twice, gets a number.
    """
    start = f"{prefix}:"
    is_subjects = [prefix != "" and label.startswith(start) for label in labels]
    bare = [
        label.removeprefix(start) if is_one else label
        for label, is_one in zip(labels, is_subjects, strict=True)
    ]
    reserved = {name for name, is_one in zip(bare, is_subjects, strict=True) if is_one}
    found: list[str] = []
    used: set[str] = set()
    for name, is_one in zip(bare, is_subjects, strict=True):
        unique, number = name, 1
        while unique in used or (unique in reserved and not (is_one and number == 1)):
            number += 1
            while f"{name}_{number}" in bare:
                number += 1
            unique = f"{name}_{number}"
        used.add(unique)
        found.append(unique)
    return found


def choose_subject(markers: pd.DataFrame, prefix: str | None) -> pd.DataFrame:
    """Marker positions with the names of one subject.

    Args:
        markers: as `nem2e_tf.files.read_markers` gives them, labels as recorded.
        prefix: str or None. The subject's prefix; None takes the only one there is.

    Raises:
        InputError: two people and no prefix, or a prefix that no marker has.
    """
    labels = marker_names(markers)
    source = markers.attrs.get("path", "markers")
    subjects = find_subjects(labels)
    if prefix is not None and not any(label.startswith(f"{prefix}:") for label in labels):
        known = {label.partition(":")[0] for label in labels if ":" in label}
        raise InputError(
            f"{source}: no marker name begins with '{prefix}:'; {suggest_name(prefix, known)}"
        )
    if prefix is None and len(subjects) > 1:
        listed = " and ".join(
            f"'{name}' ({sum(label.startswith(f'{name}:') for label in labels)})"
            for name in subjects[:MOST_PAIRS]
        )
        raise InputError(
            f"{source}: has the markers of {len(subjects)} subjects, {listed};"
            " choose one with --marker-prefix"
        )
    chosen = prefix if prefix is not None else next(iter(subjects), "")
    return _rename(markers, dict(zip(labels, remove_prefix(labels, chosen), strict=True)))


def rename_markers(markers: pd.DataFrame, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Marker positions with the model's names, from a YAML table `model's name: recorded name`.

    Args:
        markers: as `nem2e_tf.files.read_markers` gives them.
        path: str or path. The table; markers that are not in it keep their names.

    Raises:
        InputError: not such a table, a name that was not recorded, or one used twice.
    """
    table = read_yaml(path, "a table of marker names")
    if not isinstance(table, dict) or not all(
        isinstance(name, str | int) for pair in table.items() for name in pair
    ):
        raise InputError(
            f"{path}: not a table of marker names; expected lines as in 'R.ASIS: RASI', the"
            " model's name and the recorded one"
        )
    source, recorded = markers.attrs.get("path", "markers"), marker_names(markers)
    new: dict[str, str] = {}
    for model, name in ((str(key), str(value)) for key, value in table.items()):
        if name not in recorded:
            raise InputError(
                f"{path}: '{model}': no marker '{name}' in {source}; {suggest_name(name, recorded)}"
            )
        if name in new:
            raise InputError(
                f"{path}: '{name}' is the name of '{new[name]}' and of '{model}'; leave one out"
            )
        new[name] = model
    kept = {name for name in recorded if name not in new}
    twice = next((model for model in new.values() if model in kept), None)
    if twice is not None:
        raise InputError(
            f"{path}: '{twice}' is also the name of another marker in {source}; give that one"
            " a name too"
        )
    return _rename(markers, new)


def marker_names(markers: pd.DataFrame) -> list[str]:
    """Names of markers, in their order."""
    return [str(name) for name in dict.fromkeys(markers.columns.get_level_values("marker"))]


def describe_pairs(model: Iterable[str], recorded: Iterable[str]) -> str:
    """End of a sentence: a model's markers with the recorded names that are most like them."""
    found = suggest_pairs(model, recorded)
    pairs = ", ".join(f"{name} <- {other}" for name, other in found[:MOST_PAIRS])
    more = ", …" if len(found) > MOST_PAIRS else ""
    table = "where names differ, give a table with --marker-names"
    return f"{table}, as in {pairs}{more}" if pairs else table


def suggest_pairs(model: Iterable[str], recorded: Iterable[str]) -> list[tuple[str, str]]:
    """Markers of a model, each with the recorded name that is most like it, the surest first."""
    known = [name for name in recorded if len(name) <= LONGEST_NAME]
    reduced = {name: _reduce(name) for name in known}
    scored = []
    for wanted in model:
        like = _reduce(wanted[:LONGEST_NAME])
        ratios = {
            name: difflib.SequenceMatcher(None, like, reduced[name]).ratio()
            for name in known[:1000]
        }
        best = max(ratios, key=lambda name: ratios[name], default=None)
        # The first letter is the side in nearly every marker set.
        if best is not None and ratios[best] >= 0.6 and reduced[best][:1] == like[:1]:
            scored.append((ratios[best], wanted, best))
    scored.sort(key=lambda item: -item[0])
    return [(wanted, name) for _, wanted, name in scored]


def _reduce(name: str) -> str:
    """A name in small letters without marks, its side first."""
    bare = name.rpartition(":")[2].lower()
    bare = re.sub(r"\bright\b|^right", "r", re.sub(r"\bleft\b|^left", "l", bare))
    match = re.fullmatch(r"(.*?)[._ -]([rl])", bare)
    return re.sub(r"[^a-z0-9]", "", f"{match[2]}{match[1]}" if match else bare)


def _rename(markers: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    renamed = markers.copy()
    renamed.columns = pd.MultiIndex.from_tuples(
        [(names.get(pair[0], pair[0]), pair[1]) for pair in markers.columns],
        names=markers.columns.names,
    )
    renamed.attrs = dict(markers.attrs)
    return renamed
