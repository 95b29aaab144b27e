"""A trial's report: one page that needs nothing but itself, to be read on a screen or on paper."""

import base64
import hashlib
from importlib import resources
from pathlib import Path

from nem2e_tf.files import replacing
from nem2e_tf.report.contents import contents
from nem2e_tf.report.distortion_plot import plot_distortion
from nem2e_tf.report.facts import Facts
from nem2e_tf.report.plots import plot_activity
from nem2e_tf.report.result import Result, read

__all__ = ["Facts", "Result", "page", "plot_activity", "plot_distortion", "read", "write_report"]


def page(result: Result) -> str:
    """The page, HTML.

    Whatever files and folders are called, their names are text: the template escapes all that it
    is given, and the page lets no script run but its own.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    parts = resources.files("nem2e_tf.report")
    script, style = ((parts / name).read_text("utf-8") for name in ("page.js", "page.css"))
    environment = Environment(
        loader=PackageLoader("nem2e_tf.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = environment.get_template("page.html.jinja")
    return template.render(contents(result), script=script, style=style, digest=digest)


def write_report(result: Result, path: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        result: Result.
        path: path. An .html; one that is there is replaced.
    """
    text = page(result)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
