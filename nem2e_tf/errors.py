"""The error that is raised for input that cannot be used, and suggestions for unknown names."""

import difflib
import importlib.util
from collections.abc import Iterable

LONGEST_MESSAGE = 1000
"""Characters of a message. The middle of a longer one, which quotes a file, is left out."""


class InputError(ValueError):
    """Something given to NEM2E cannot be used.

    The message is one line: the file, the column or time, what is wrong, what to do. The command
    line prints it as it is and exits with status 2. Line breaks and control characters, which a
    file may put into the names that a message quotes, are shown as escapes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_to_one_line(message))


def require(module: str, *, extra: str = "") -> None:
    """Check that a package is installed, without importing it.

    Args:
        module: str. What is imported of it, as `tf2onnx`.
        extra: str. The extra of nem2e-tf that installs it; empty to name the package itself.

    Raises:
        InputError: it is not installed; the message has the command that installs it.
    """
    if importlib.util.find_spec(module) is None:
        package = module.replace("_", "-")
        install = f"'nem2e-tf[{extra}]'" if extra else package
        raise InputError(f"{package} is not installed; install it: pip install {install}")


def missing_dependency(module: str) -> str:
    """What to tell somebody who installed nem2e-tf without its dependencies."""
    package = module.replace("_", "-")
    return (
        f"{package} is not installed: nem2e-tf is here without its dependencies, which the command"
        " nem2e needs; install them: pip install nem2e-tf"
    )


def suggest_name(name: str, names: Iterable[str]) -> str:
    """End of a sentence about an unknown name: the known name with the most similar spelling."""
    known = sorted(set(names))
    # The comparison takes time in the product of the lengths; real names are shorter.
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5) if len(name) < 200 else []
    if close:
        return f"the nearest is '{close[0]}'"
    listed = ", ".join(f"'{n}'" for n in known[:6]) + (", …" if len(known) > 6 else "")
    if not known:
        return "there are none"
    return f"there {'is' if len(known) == 1 else 'are'} {listed}"


def _to_one_line(message: str) -> str:
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)
    if len(shown) <= LONGEST_MESSAGE:
        return shown
    return f"{shown[: LONGEST_MESSAGE * 3 // 4]} … {shown[-(LONGEST_MESSAGE // 5) :]}"
