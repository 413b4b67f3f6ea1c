"""What the book needs beyond Sphinx and myst-nb: contents, descriptions, modules of a package."""

import importlib
import pkgutil
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

CONTENTS = """
```{toctree}
:hidden:
:glob:
:caption: Notebooks
notebooks/*
```
```{toctree}
:hidden:
:glob:
:caption: Results
figures/laptop/*
figures/gpu/*
figures/bench/*
aotgan/weights/*
```
```{toctree}
:hidden:
:caption: Package
docs/running
docs/api/aotgan
docs/api/models
docs/api/losses
docs/api/data
docs/api/metrics
docs/api/training
docs/api/reproduce
docs/api/apply
docs/api/bench
CONTRIBUTING
```
"""


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Gives the front page, which is README.md, the tables of contents that only Sphinx reads."""
    if docname == app.config.root_doc:
        source[0] += CONTENTS


class Modules(SphinxDirective):
    """`.. modules:: aotgan.models` documents each public module in a package under a heading."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Returns a section for each module, in the order of their names."""
        package = importlib.import_module(self.arguments[0])
        names = [
            module.name
            for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
            if not module.ispkg and not module.name.rpartition(".")[2].startswith("_")
        ]
        text = [f"{name}\n{'-' * len(name)}\n\n.. automodule:: {name}\n" for name in names]
        return self.parse_text_to_nodes("\n".join(text), allow_section_headings=True)


def describe_pictures() -> None:
    """Makes myst-nb read the alternative text of a picture in an output's metadata.

    It is where `IPython.display.Image(alt=...)` writes and nbconvert reads it, and that each
    picture has one is seen to by tools/check_notebooks.py. Renderers of one's own come to myst-nb
    by an entry point of an installed package alone, hence the replacement.
    """
    render_image = NbElementRenderer.render_image

    def render_described(self: NbElementRenderer, data: MimeData) -> list[Any]:
        images = render_image(self, data)
        for image in images:
            image["alt"] = data.output_metadata[data.mime_type]["alt"]
        return images

    NbElementRenderer.render_image = render_described  # type: ignore[method-assign]


def escape_bars(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keeps |x - z| in a docstring from being taken for a substitution; code is left alone."""
    for at, line in enumerate(lines):
        parts = line.split("`")
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[at] = "`".join(parts)


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    describe_pictures()
    app.add_directive("modules", Modules)
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", escape_bars, priority=100)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
