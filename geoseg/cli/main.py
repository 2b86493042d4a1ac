"""The command ``geoseg``: a table of verbs, loaded when they are used, and what an error looks like.

Data goes to stdout, log and progress to stderr. An error is one line on stderr,
``geoseg: CODE: FILE: reason. Remedy.``, and an exit code: 0 done, 2 usage, 3 input refused, 4 conflict, 5 bad bundle,
6 resources, 7 cluster lost, 8 done in part, 130/143 interrupted, 1 what nobody foresaw (``--debug``: traceback).
"""

from __future__ import annotations

import errno
import importlib
import os
import select
import sys
import traceback
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

import click

import geoseg
from geoseg.cli import options
from geoseg.cli.help import grouped
from geoseg.errors import GeosegError, Interrupted, ResourceError, UsageError

# Verb (a module of geoseg.cli with a `command`): what it does, so that --help loads no verb.
VERBS = {
    "demo": "The whole way on the sample that ships: class map, polygons, areas, report.",
    "info": "What a scene is, and whether a bundle fits it.",
    "plan": "Chips, blocks, memory, bytes and estimated time of a run.",
    "segment": "The main job: a scene to a class map, polygons and areas.",
    "polygonize": "A class raster to polygons with areas, in the format of the extension.",
    "sieve": "A class raster without small regions: each joins its neighbour.",
    "area": "Areas by class, and by zone, on the ellipsoid.",
    "sample": "Random pixels of a class raster to label, with their design.",
    "estimate": "Areas and accuracies with 95 % intervals, from labelled samples.",
    "change": "Maps of two or more dates, or two images: what became what, where, and how sure that is.",
    "run": "A pipeline of these steps over many scenes, from a YAML file.",
    "jobs": "Pipelines on a schedule, or for new scenes: add, look, pause, history, logs.",
    "service": "The process that runs jobs when they are due, with a page to watch them.",
    "report": "The page of a run again: of a map, a change, a bundle or an estimate.",
    "view": "A run on a map in the browser: scene, classes, confidence, polygons, change.",
    "train": "Labelled scenes to a bundle, with its scores.",
    "evaluate": "How good a bundle is on a labelled scene: scores with intervals, map of errors.",
    "synth": "Synthetic scenes of which every pixel's class is known.",
    "labels": "Files of labels against their scenes, before training.",
    "bundle": "Look at a bundle, check it, take a model in, give one out.",
    "completion": "What bash, zsh or fish read so that the tab key completes verbs and options.",
    "doctor": "Whether this machine and this installation can do all that; what to do where not.",
}

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with its exit code."""
    sys.exit(run(args))


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line (``sys.argv`` when ``args`` is None) and return its exit code."""
    try:
        result = cli.main(args=args, prog_name="geoseg", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return int(error.exit_code)
    except Exception as error:
        return report(error, debug=False)
    return result if isinstance(result, int) else 0


def report(error: BaseException, debug: bool) -> int:
    """Say on stderr what went wrong, in one line, and return the exit code."""
    if _stdout_is_gone(error):
        return 128 + 13  # as if SIGPIPE had ended it; the reader of the pipe had enough
    known = _known(error)
    if debug:
        traceback.print_exception(error)
    if known is not None:
        print(f"geoseg: {known}", file=sys.stderr)
        return known.exit_code
    text = " ".join(f"{type(error).__name__}: {error}".split())
    print(f"geoseg: INTERNAL: {text}. Add --debug for the traceback.", file=sys.stderr)
    return 1


class Verbs(click.Group):
    """A group whose commands are modules of :mod:`geoseg.cli`, imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the table's order."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the verb's module; add the options that every verb has."""
        if cmd_name not in VERBS:
            return super().get_command(ctx, cmd_name)
        command: click.Command = importlib.import_module(f"geoseg.cli.{cmd_name}").command
        _add_common(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs from the table."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; errors become one line and an exit code here, so that ``rio geoseg`` behaves the same."""
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, SystemExit):
            raise
        except (Exception, KeyboardInterrupt) as error:
            code = report(error, debug=bool(ctx.meta.get(options.DEBUG)))
        raise click.exceptions.Exit(code)


@click.group(
    "geoseg",  # rio registers a plugin under the command's own name
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=options.example("geoseg segment scene.tif out/ --bundle bundle/"),
)
@click.version_option(geoseg.__version__, message="geoseg %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Large satellite scenes to georeferenced class maps, polygons and areas.

    Sizes are in pixels, areas in m2 or ha, as each option says. Nothing is overwritten without --overwrite.
    """
    options.log_to_stderr(ctx)


cli.params.extend(options.common_params())


def _add_common(command: click.Command) -> None:
    """Give a verb, and those below it, the options that all have, and its help headings."""
    present = {param.name for param in command.params}
    command.params.extend(param for param in options.common_params() if param.name not in present)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _add_common(child)
    else:
        command.format_options = partial(grouped, command)  # type: ignore[method-assign]


def _known(error: BaseException) -> GeosegError | None:
    """The error as one of ours; None when nobody foresaw it."""
    if isinstance(error, GeosegError):
        return error
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "geoseg"
        return UsageError.of("USAGE", where, error.format_message(), f"See {where} --help.")
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Interrupted.of("INTERRUPTED", "geoseg", "stopped by a signal", "The same command resumes a run.")
    if isinstance(error, MemoryError):
        remedy = "Use a smaller --block-size or fewer --workers."
        return ResourceError.of("MEMORY", "geoseg", f"out of memory {error}", remedy)
    if isinstance(error, OSError) and (error.filename is not None or error.errno in _DISK_FULL):
        where, what = error.filename or "disk", error.strerror or str(error)
        if error.errno in _DISK_FULL:
            return ResourceError.of("DISK", where, what, "Free space and run the same command again.")
        return ResourceError.of("FILE", where, what, "Check the path and its permissions.")
    return None


def _stdout_is_gone(error: BaseException) -> bool:
    """Whether a broken pipe is stdout's (``geoseg plan ... | head``), not a socket's; then keep Python's exit quiet."""
    if not isinstance(error, BrokenPipeError):
        return False
    try:
        stdout = sys.stdout.fileno()
    except (OSError, ValueError):  # not a file: a test's or a notebook's
        return False
    poll = select.poll()
    poll.register(stdout, 0)  # errors are reported unasked
    if not any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return True
