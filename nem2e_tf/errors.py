"""The one error that tells a person what is wrong with what they gave."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something given to NEM2E cannot be used.

    The message is one line: the file, the column or time, what is wrong, what to do. The command
    line prints it as it is and exits with status 2.
    """


def nearest(name: str, names: Iterable[str]) -> str:
    """End of a sentence about an unknown name: the known one that is spelled most like it."""
    known = sorted(set(names))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"the nearest is '{close[0]}'"
    listed = ", ".join(f"'{n}'" for n in known[:6]) + (", …" if len(known) > 6 else "")
    return f"there is {listed}" if known else "there are none"
