"""A trial's report: one HTML page without other files, for a screen or for paper."""

import base64
import hashlib
from importlib import resources
from pathlib import Path

from nem2e_tf.files import replace_file
from nem2e_tf.report import palette
from nem2e_tf.report.contents import page_contents
from nem2e_tf.report.result import Result


def render_page(result: Result) -> str:
    """The report of a result as HTML.

    The template escapes every name of a file or folder, and the page's content security policy
    lets no script run but its own.

    Args:
        result: Result.
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
    style = palette.css_variables() + style
    return template.render(page_contents(result), script=script, style=style, digest=digest)


def write_report(result: Result, path: Path) -> None:
    """Write the report of a result, whole or not at all.

    Args:
        result: Result.
        path: path. An .html file; an existing one is replaced.
    """
    text = render_page(result)
    with replace_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
