"""Notebooks as batch jobs: papermill, with parameters that are checked before anything runs.

papermill alone passes unknown names with a warning, turns what it does not know into text, and
leaves the paths of the machine in its result.

    aotgan notebook notebooks/06_train_aotgan.ipynb out.ipynb scale=laptop
"""

import ast
import json
import math
import os
import secrets
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aotgan.devices import check_device
from aotgan.errors import InputError
from aotgan.files import write_atomically
from aotgan.reproduce.runs.experiments import get_experiment
from aotgan.reproduce.runs.scales import get_scale

TAG = "parameters"
KERNEL = "python3"
# Else the kernel warns of talking to this machine by TCP, and reports its own shutdown as an error.
QUIET = ["--IPKernelApp.log_level=50"]
KERNEL_GROUP = Path(__file__).with_name("kernel_group.py")
PROGRESS = "step "  # how aotgan.training.log.Progress starts its lines
SCALARS = (bool, int, float, str)


class NotebookError(RuntimeError):
    """A notebook stopped at a cell; the message names the cell, the error and the copy kept."""


def _check_seed(seed: int) -> None:
    if seed < 0:
        raise InputError(f"seed={seed}: must be at least 0.")


# A parameter of one of these names means the same in every notebook.
CHECKS: dict[str, Callable[[Any], object]] = {
    "experiment": get_experiment,
    "scale": get_scale,
    "device": check_device,
    "seed": _check_seed,
}


def run_notebook(
    source: str | Path,
    destination: str | Path,
    parameters: Mapping[str, Any] | None = None,
    cwd: str | Path | None = None,
    label: str = "",
    cell_minutes: float | None = None,
    echo: str | None = "",
) -> Path:
    """Executes a notebook with other parameters than its own.

    Args:
        source: the notebook; its second cell, tagged "parameters", assigns the defaults.
        destination: the executed copy, which appears only when every cell has run. Until then,
            and after an error, the copy is `<name>.unfinished.ipynb` beside it; the cell that
            stopped the run says why.
        parameters: new values by name, of the defaults' types.
        cwd: working directory of the kernel; the current one by default. Relative paths among the
            parameters count from there.
        label: put before each line that the notebook prints.
        cell_minutes: stop a cell that takes longer.
        echo: pass on the lines that the notebook prints and that start so; "" for every line,
            None for none.

    Returns:
        The destination.

    Raises:
        InputError: unknown parameters or wrong values, before the kernel starts; or an InputError
            of a cell.
        NotebookError: any other error of a cell, or a kernel that died.
    """
    source, destination = Path(source).absolute(), Path(destination).absolute()
    chosen = check_parameters(read_parameters(source), parameters or {}, source.name)
    draft = destination.with_name(f"{destination.stem}.unfinished.ipynb")
    destination.parent.mkdir(parents=True, exist_ok=True)
    problem = _execute(source, draft, chosen, Path(cwd or "."), label, cell_minutes, echo)
    text = _without_traces(draft, source)
    if problem is not None:
        kept = f"The executed copy is {write_atomically(draft, text)}"
        kind = InputError if problem.startswith("InputError") else NotebookError
        raise kind(f"{source.name}: {problem.removeprefix('InputError: ')}\n{kept}")
    write_atomically(destination, text)
    draft.unlink()
    return destination


def read_parameters(source: str | Path) -> dict[str, Any]:
    """Returns the defaults that a notebook's cell tagged "parameters" assigns.

    Raises:
        InputError: not a notebook, or its cells do not hold one such cell of plain assignments.
    """
    try:
        cells = json.loads(Path(source).read_text("utf-8"))["cells"]
        tagged = [cell for cell in cells if TAG in cell["metadata"].get("tags", [])]
        (code,) = ("".join(cell["source"]) for cell in tagged)
        return dict(_assignment(statement) for statement in ast.parse(code).body)
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise InputError(
            f"{source}: expected a notebook with one cell tagged {TAG!r} that holds lines "
            f"`name = value` of plain values ({error})."
        ) from error


def check_parameters(
    declared: Mapping[str, Any], given: Mapping[str, Any], notebook: str = "the notebook"
) -> dict[str, Any]:
    """Returns the given parameters if the notebook has them and their types and values fit.

    Args:
        declared: the notebook's own values; theirs are the types expected.
        given: new values. An int counts as a float.
        notebook: its name, for messages.

    Raises:
        InputError: names the parameter and lists the valid ones.
    """
    for name, value in given.items():
        if name not in declared or not _fits(value, declared[name]):
            kind = type(declared.get(name)).__name__
            reason = f"expects a {kind}" if name in declared else "has no such parameter"
            valid = ", ".join(
                f"{key}={default!r} ({type(default).__name__})" for key, default in declared.items()
            )
            raise InputError(
                f"{name}={value!r} ({type(value).__name__}): {notebook} {reason}. Its parameters "
                f"and their own values: {valid}."
            )
        if name in CHECKS:
            CHECKS[name](value)
    return dict(given)


def parse_parameters(declared: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Turns "name=value" texts of a command line into values of the declared types.

    Raises:
        InputError: a text without "=", or a value that cannot be read.
    """
    parsed: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"{text!r} was given: expected name=value.")
        parsed[name] = value
        if not isinstance(declared.get(name, ""), str):
            try:
                parsed[name] = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                continue  # stays text, which check_parameters refuses with the type expected
    return parsed


def _assignment(statement: ast.stmt) -> tuple[str, Any]:
    if isinstance(statement, ast.Assign):
        (target,) = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    else:
        raise ValueError(f"line {statement.lineno} assigns nothing")
    if not isinstance(target, ast.Name) or statement.value is None:
        raise ValueError(f"line {statement.lineno} is not name = value")
    return target.id, ast.literal_eval(statement.value)


def _fits(value: Any, default: Any) -> bool:
    """Whether a value can stand where the notebook has `default`; only flat JSON can at all."""
    items = value if isinstance(value, list) else [value]
    if not all(item is None or type(item) in SCALARS for item in items):
        return False
    # JSON, which notebooks are, has no NaN
    if any(isinstance(item, float) and not math.isfinite(item) for item in items):
        return False
    if isinstance(default, list) and isinstance(value, list):
        return not default or all(_fits(item, default[0]) for item in value)
    if default is None:
        return True
    # by type and not isinstance, to which True is a number
    return type(value) is type(default) or (type(default) is float and type(value) is int)


def _execute(
    source: Path,
    draft: Path,
    parameters: dict[str, Any],
    cwd: Path,
    label: str,
    cell_minutes: float | None,
    echo: str | None,
) -> str | None:
    """Runs the notebook into `draft`; returns what went wrong, if something did."""
    from jupyter_client.manager import AsyncKernelManager
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    try:
        execute_notebook(
            source,
            draft,
            parameters=parameters,
            kernel_name=KERNEL,
            kernel_manager_class=kernel_manager(AsyncKernelManager),
            extra_arguments=QUIET,
            progress_bar=False,
            stdout_file=None if echo is None else _Lines(label, echo),
            cwd=cwd,
            execution_timeout=None if cell_minutes is None else round(60 * cell_minutes),
        )
    # our own messages say what to do; of any other error the place is worth knowing
    except PapermillExecutionError as error:
        where = "" if error.ename == "InputError" else f"cell In [{error.exec_count}] raised "
        return f"{where}{error.ename}: {error.evalue}"
    # papermill has saved the draft: the reason is written where a reader looks for it
    except CellTimeoutError:
        return _said_in_cell(draft, f"a cell took more than {cell_minutes} minutes")
    except DeadKernelError:
        return _said_in_cell(draft, "the kernel died (out of memory?)")
    return None


def kernel_manager(base: Any) -> Any:
    """Makes a manager of kernels that start beside others and leave no process behind.

    Jupyter looks for free TCP ports and lets go of them; a kernel that starts some seconds later
    dies if another process has taken one. Sockets that are files belong to one kernel alone.

    Args:
        base: `KernelManager` or `AsyncKernelManager` of jupyter_client.
    """
    if os.name != "posix":
        return base

    class Manager(base):
        def format_kernel_cmd(self, extra_arguments: list[str] | None = None) -> list[str]:
            # also a kernel that is killed, or whose manager is, takes its processes along
            return [sys.executable, str(KERNEL_GROUP), *super().format_kernel_cmd(extra_arguments)]

        def _transport_default(self) -> str:
            return "ipc"

        def _ip_default(self) -> str:
            # the paths of sockets may have 103 letters: not below a project's folder
            return f"{tempfile.gettempdir()}/kernel-{secrets.token_hex(8)}"

    return Manager


class _Lines:
    """Passes on whole lines to standard output, each with a label, if they start as asked."""

    def __init__(self, label: str, start: str):
        self.label = f"{label}: " if label else ""
        self.start = start
        self._rest = ""

    def write(self, text: str) -> None:
        """Prints the lines that are complete and keeps the rest."""
        # output comes in pieces that may end within a line
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.startswith(self.start):
                print(f"{self.label}{line}")

    def flush(self) -> None:
        """Lets the terminal show what is there."""
        sys.stdout.flush()


def _said_in_cell(draft: Path, problem: str) -> str:
    """Puts what stopped a kernel from outside where errors stand, in the cell that ran."""
    notebook = json.loads(draft.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    started = [cell for cell in code if cell["metadata"]["papermill"]["start_time"] is not None]
    error = {"ename": NotebookError.__name__, "evalue": problem, "traceback": [problem]}
    # a kernel may die before its first cell
    (started or code[:1])[-1]["outputs"].append({"output_type": "error", **error})
    write_atomically(draft, json.dumps(notebook))
    return problem


def _without_traces(draft: Path, source: Path) -> str:
    """Returns the executed notebook without papermill's notes, which hold paths and times."""
    notebook = json.loads(draft.read_text("utf-8"))
    notebook["metadata"] = json.loads(source.read_text("utf-8"))["metadata"]
    for cell in notebook["cells"]:
        for notes in ("papermill", "execution"):
            cell["metadata"].pop(notes, None)
        # papermill gives every cell a list of tags
        if not cell["metadata"].get("tags", [""]):
            del cell["metadata"]["tags"]
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
