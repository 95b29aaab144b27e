"""The site of the documents: `sphinx-build -W docs site`. It fetches nothing from elsewhere."""

import os
import re
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

import nem2e_tf

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "nem2e_tf"
release = version = nem2e_tf.__version__
html_title = f"nem2e_tf {release}"
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_show_copyright = html_show_sphinx = False
html_copy_source = False

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_math_renderer = "mathml"
copybutton_exclude = ".linenos, .gp, .go"

# In docstrings `this` is code, as in Markdown.
default_role = "code"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"
autoclass_content = "class"
maximum_signature_line_length = 80
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_custom_sections = [("Call arguments", "params_style")]


def setup(app: Sphinx) -> None:
    """Equations become MathML, which browsers draw by themselves."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("autodoc-process-docstring", _as_markdown, priority=400)


def _inline(page: Any, node: nodes.math) -> None:
    page.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(page: Any, node: nodes.math_block) -> None:
    page.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def _as_markdown(app: Sphinx, what: str, name: str, _: Any, __: Any, lines: list[str]) -> None:
    """Docstrings are Markdown; where reStructuredText reads something else, it is told apart."""
    text = "\n".join(lines)
    text = re.sub(r"(?m)^( *)(\S.*):\n\n(?=\1 )", r"\1\2::\n\n", text)  # a block as it stands
    text = re.sub(r"(`[^`\n]+`)(?=\w)", r"\1\\ ", text)  # code at the head of a word
    results = re.search(r"(?ms)^Returns:\n.*?(?=\n\n|\Z)", text)
    if results and len(re.findall(several := r"(?m)^    (\w+): ", results[0])) > 1:
        listed = re.sub(several, r"    - **\1** – ", results[0]).replace(
            "\n        ", "\n          "
        )
        text = text.replace(results[0], listed)
    lines[:] = text.split("\n")
