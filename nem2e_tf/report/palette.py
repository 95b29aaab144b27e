"""The colours of every picture, report and page: measured black, simulated gray, refined red."""

MEASURED = "#000000"
SIMULATED = "#8c8c8c"
REFINED = "#c0392b"

PAGE = {
    "measured": MEASURED,
    "simulated": SIMULATED,
    "refined": REFINED,
    "ink": "#1c2127",
    "faint": "#5b6470",
    "rule": "#d5dae0",
    "warning": "#8a5300",
    "sound": "#1d6b45",
}
"""Colours of a page by the names of its CSS variables: `--palette-refined` and so on."""


def css_variables() -> str:
    """A CSS rule that declares the colours of `PAGE`."""
    declared = " ".join(f"--palette-{name}: {colour};" for name, colour in PAGE.items())
    return f":root {{ {declared} }}\n"
