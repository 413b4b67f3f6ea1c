"""Is a notebook fit to be committed? Used by the pre-commit hook and by tests/notebooks.

Usage: python tools/check_notebooks.py notebooks/*.ipynb

Reads the files as JSON and starts no kernel.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MAX_BYTES = 600_000

# Folders at the root of somebody's machine; a path in a URL follows a word character.
ABSOLUTE_PATH = re.compile(
    r"(?<![\w.~-])(?:/(?:home|root|tmp|work|Users|private|usr|opt|var|mnt|media|data|content)/[\w.+-]"
    r"|[A-Za-z]:\\+(?:Users|Windows|Temp)\b)"
)
BASE64 = re.compile(r"base64,[A-Za-z0-9+/=\s]+")


def check(path: Path, public_names: frozenset[str] | None = None) -> list[str]:
    """Returns what is wrong with the notebook at `path`, in words; empty if it is fit."""
    content = path.read_bytes()
    try:
        notebook = json.loads(content)
        names = package_names() if public_names is None else public_names
        found = list(problems(notebook, names))
    except (ValueError, KeyError, TypeError) as error:
        return [f"not a notebook of format 4: {error!r}"]
    if len(content) > MAX_BYTES:
        found.append(f"{len(content) // 1000} kB, the limit is {MAX_BYTES // 1000} kB")
    return found


def problems(notebook: dict[str, Any], public_names: frozenset[str]) -> Iterator[str]:
    """Yields what is wrong with a notebook, in words.

    Args:
        notebook: the parsed JSON of nbformat 4.
        public_names: names that no cell may define again (see `package_names`).
    """
    kernel = notebook["metadata"].get("kernelspec", {}).get("name")
    if kernel != "python3":
        yield f"kernel is {kernel!r}, expected 'python3'"
    if found := ABSOLUTE_PATH.search(json.dumps(notebook["metadata"])):
        yield f"metadata: absolute path {found[0]}..."
    cells = notebook["cells"]
    yield from _parameter_problems(cells)
    yield from _execution_problems(cells)
    for number, cell in enumerate(cells):
        for problem in _cell_problems(cell, public_names):
            yield f"cell {number}: {problem}"


def package_names(package: Path = ROOT / "aotgan") -> frozenset[str]:
    """Returns the public functions and classes at the top level of the package's modules."""
    trees = (ast.parse(file.read_text("utf-8")) for file in package.rglob("*.py"))
    return frozenset(
        name for tree in trees for name in _definitions(tree) if not name.startswith("_")
    )


def source_of(cell: dict[str, Any]) -> str:
    """Returns a cell's source, which JSON may hold as one string or as a list of lines."""
    return _text(cell["source"])


def _execution_problems(cells: list[dict[str, Any]]) -> Iterator[str]:
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    if any(not source_of(cell).strip() for cell in code):
        yield "holds an empty code cell"
    counts = [cell["execution_count"] for cell in code]
    if counts != list(range(1, len(code) + 1)):
        yield f"execution counts are {counts}, expected 1 to {len(code)}: run it from the top"


def _parameter_problems(cells: list[dict[str, Any]]) -> Iterator[str]:
    tagged = [n for n, cell in enumerate(cells) if _is_parameters(cell)]
    if tagged != [1]:
        yield f"cells tagged 'parameters' are {tagged}, expected the second cell alone, [1]"
        return
    try:
        statements = ast.parse(source_of(cells[1])).body
    except SyntaxError:
        yield "the parameters cell is not Python"
        return
    for statement in statements:
        if not _assigns_flat_json(statement):
            yield f"parameters: `{ast.unparse(statement)}` is not NAME = a flat JSON literal"


def _assigns_flat_json(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return False
    try:
        given = ast.literal_eval(value)
    except ValueError:
        return False
    items = given if isinstance(given, list) else [given]
    flat = all(item is None or isinstance(item, str | bool | int | float) for item in items)
    return isinstance(target, ast.Name) and flat


def _cell_problems(cell: dict[str, Any], public_names: frozenset[str]) -> Iterator[str]:
    if found := ABSOLUTE_PATH.search(source_of(cell)):
        yield f"absolute path {found[0]}... in its source"
    if cell["cell_type"] != "code":
        return
    yield from _redefinitions(source_of(cell), public_names)
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            yield f"error output {output.get('ename')}"
        if output.get("name") == "stderr":
            yield "stderr output (a warning that readers would see)"
        if found := ABSOLUTE_PATH.search(_output_text(output)):
            yield f"absolute path {found[0]}... in its output"
        for kind in output.get("data", {}):
            if kind.startswith("image/") and not _description(output, kind):
                yield "a picture without a text that says what it shows: `figure.described(...)`"


def _redefinitions(source: str, public_names: frozenset[str]) -> Iterator[str]:
    lines = ("" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n"))
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError as error:
        yield f"not Python: {error.msg}"
        return
    for name in _definitions(tree):
        if name in public_names:
            yield f"defines `{name}` again: import it from aotgan or name it differently"


def _definitions(tree: ast.Module) -> Iterator[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return (node.name for node in tree.body if isinstance(node, kinds))


def _output_text(output: dict[str, Any]) -> str:
    texts = [_text(output.get("text", ""))]
    for kind, data in output.get("data", {}).items():
        if not kind.startswith("image/") or kind == "image/svg+xml":
            texts.append(_text(data) if isinstance(data, str | list) else json.dumps(data))
    return BASE64.sub("", "\n".join(texts))


def _description(output: dict[str, Any], kind: str) -> str:
    """The alternative text of a picture, where `IPython.display.Image` and nbconvert have it."""
    return str(output["metadata"].get(kind, {}).get("alt", "")).strip()


def _is_parameters(cell: dict[str, Any]) -> bool:
    return cell["cell_type"] == "code" and "parameters" in cell["metadata"].get("tags", [])


def _text(value: str | list[str]) -> str:
    return value if isinstance(value, str) else "".join(value)


def main(arguments: list[str]) -> int:
    """Prints the problems of the notebooks named; returns 1 if there are any, else 0."""
    names = package_names()
    found = [f"{name}: {text}" for name in arguments for text in check(Path(name), names)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
