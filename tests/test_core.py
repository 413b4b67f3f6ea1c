"""The core of the paper stays small: the files that CONTRIBUTING lists, and what they need."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CEILING = 1000  # lines of code
# of models and losses, what the core may import beside itself
FOREIGN = {"aotgan.losses.features", "aotgan.models.registry"}
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


def code_lines(source):
    """Numbers of the lines that hold code: no blanks, comments or docstrings."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = {
        line
        for token in tokens
        if token.type not in LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return code


@pytest.fixture(scope="module")
def core():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (section,) = re.findall(
        r"^## The paper in 1,000 lines\n(.*?)(?=^## )", text, re.DOTALL | re.MULTILINE
    )
    paths = re.findall(r"`(aotgan/\S+\.py)`", section)
    assert len(paths) == len(set(paths)) == 14
    return {path: (ROOT / path).read_text("utf-8") for path in paths}


def test_the_core_has_at_most_a_thousand_lines(core):
    lines = {path: len(code_lines(source)) for path, source in core.items()}
    assert sum(lines.values()) <= CEILING, lines


def test_the_core_needs_no_other_models_and_losses(core):
    own = {path.removesuffix(".py").replace("/", ".") for path in core}
    needed = {
        node.module
        for source in core.values()
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom)
        and node.module.startswith(("aotgan.models", "aotgan.losses"))
    }
    assert needed - own - FOREIGN == set()


def test_what_counts_as_code():
    lines = [
        '"""Head."""',
        "",
        "# why",
        "x = (",
        "    1,  # one",
        ")",
        "def f():",
        '    """Doc."""',
    ]
    assert sorted(code_lines("\n".join([*lines, "    return 1", ""]))) == [4, 5, 6, 7, 9]
