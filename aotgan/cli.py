"""The command line: one verb a job. Bad input ends with one line on stderr, not a traceback."""

import errno
import io
import os
import sys
from typing import Annotated, cast

import typer

from aotgan import __version__
from aotgan.commands import batch
from aotgan.commands.bench import bench
from aotgan.commands.data import data
from aotgan.commands.evaluate import evaluate
from aotgan.commands.inpaint import inpaint
from aotgan.commands.measure import measure
from aotgan.commands.notebook import notebook
from aotgan.commands.options import BAD_INPUT, INTERRUPTED
from aotgan.commands.train import train
from aotgan.commands.weights import weights
from aotgan.errors import InputError
from aotgan.files import is_full

# OpenMP's threads would spin while they wait, which costs more than it gains on a busy machine. Set
# before torch is imported; a value of the user's stays.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Click's UsageError, or newer typer's copy of it, which has no public name.
USAGE_ERROR = cast(type[Exception], typer.BadParameter.__base__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"aotgan {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Companion to AOT-GAN: train, evaluate and reproduce, from the command line."""


app.command()(inpaint)
app.command()(evaluate)
app.command()(train)
app.command("list")(batch.list_)
app.command()(batch.reproduce)
app.command()(batch.status)
app.command("queue")(batch.queue_)
app.command()(batch.collect)
app.command()(batch.remeasure)
app.add_typer(measure, name="measure")
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")
app.command()(notebook)
app.command()(bench)


def main() -> None:
    """Runs the command line and exits.

    Status 0: done; 1: the training diverged, or a part of a batch failed; 2: bad input; 130:
    interrupted, and saved where there was something to save.
    """
    sys.argv[1:] = [_at_home(word) for word in sys.argv[1:]]
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for letters that a terminal lacks
    try:
        status = app(prog_name="aotgan", standalone_mode=False)
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):  # newer typer returns 130 of its own accord
        status = INTERRUPTED
    except (InputError, USAGE_ERROR) as error:
        status = BAD_INPUT
        if text := _one_line(error):
            print(f"error: {text}", file=sys.stderr)
    except FloatingPointError as error:
        status = 1
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        if not is_full(error) and error.errno != errno.EPIPE:
            raise
        status = 1
        _stop_output(error)
    sys.exit(status if isinstance(status, int) else 0)


def _stop_output(error: OSError) -> None:
    """Says that nothing more can be written, unless it is that nobody reads it, as behind head."""
    if is_full(error):
        print(f"error: {error.strerror}. Make room, or send the output elsewhere.", file=sys.stderr)
    # what is still to be written would be tried again at the end
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _at_home(word: str) -> str:
    """A path below the home folder, written out; shells leave --data-root=~/photos as it is."""
    option, equals, path = word.partition("=") if word.startswith("--") else ("", "", word)
    return f"{option}{equals}{os.path.expanduser(path)}" if path.startswith("~") else word


def _one_line(error: Exception) -> str:
    """The message of an error; of a wrong option with the command whose help lists the right ones.

    Empty where the command line was empty, for then the help was shown.
    """
    message = getattr(error, "format_message", error.__str__)()
    context = getattr(error, "ctx", None)
    if message and context:
        end = "" if message.endswith("?") else "."
        message = f"{message.rstrip('.')}{end} See '{context.command_path} --help'."
    return " ".join(message.split())


if __name__ == "__main__":
    main()
