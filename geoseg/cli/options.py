"""Options that several verbs share, each declared once; a metavar names the unit."""

from __future__ import annotations

import logging
import math
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from geoseg.model.bundle import Bundle
    from geoseg.raster.scene import Scene

DEBUG, LEVEL = "geoseg.debug", "geoseg.level"  # keys in the meta of click's contexts

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


def example(*lines: str) -> str:
    """The epilog of a verb's help: commands that run, one a line."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)


# Types


def names(value: str) -> tuple[str, ...]:
    """Words between commas, ``blue,green,red``, as a tuple."""
    words = tuple(word.strip() for word in value.split(","))
    if not all(words):
        raise click.BadParameter(f"{value!r} has an empty name between its commas")
    return words


_BYTES = {"": 1, "b": 1} | {
    f"{letter}{kind}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for kind, base in (("", 1024), ("ib", 1024), ("b", 1000))
}


def size(value: str) -> int:
    """An amount of memory, ``4GiB``, ``512MB`` or a plain number of bytes, as an integer; case does not matter."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", value)
    if match is None or match[2].lower() not in _BYTES:
        raise click.BadParameter(f"{value!r} is not a size such as 4GiB or 512MB")
    return int(float(match[1]) * _BYTES[match[2].lower()])


def pixels_or_auto(value: str) -> int | str:
    """A number of pixels, 0 or more, or the word ``auto``."""
    if value != "auto" and not (value.isascii() and value.isdecimal()):
        raise click.BadParameter(f"{value!r} is neither a number of pixels nor auto")
    if value != "auto" and int(value) > MOST_PIXELS:
        raise click.BadParameter(f"{value} is more than {MOST_PIXELS} pixels")
    return value if value == "auto" else int(value)


class Number(click.types.FloatParamType):
    """A finite number; with ``nonzero`` not 0 either."""

    def __init__(self, *, nonzero: bool = False) -> None:
        """Keep what is refused."""
        self.nonzero = nonzero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number) or (self.nonzero and not number):
            self.fail(f"{value!r} is not a finite number{' other than 0' if self.nonzero else ''}", param, ctx)
        return number


class ByClass(click.types.StringParamType):
    """A number for all classes, numbers by class, or both: ``500``, ``water=500,tree=2000``, ``1000,water=500``.

    Gives a :class:`geoseg.config.PerClass`. Whether the classes exist shows when the mask is opened.
    """

    name = "number by class"

    def __init__(self, *, whole: bool = False) -> None:
        """``whole``: integers only."""
        self.whole = whole

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the numbers."""
        from pydantic import ValidationError

        from geoseg.config import PerClass

        if not isinstance(value, str):
            return value
        try:
            made = PerClass.model_validate(value)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            self.fail(f"{value!r}: {said}", param, ctx)
        if self.whole and not all(number.is_integer() for number in (made.others, *made.classes.values())):
            self.fail(f"{value!r} is not in whole numbers", param, ctx)
        return made


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


class Duration(click.types.StringParamType):
    """A length of time with its unit, ``4h``, ``90m``, ``1h30m``, ``2d``, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the parts."""
        if isinstance(value, int | float):
            return float(value)
        parts = re.findall(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", str(value).replace(" ", ""))
        if not parts or "".join(map("".join, parts)) != str(value).replace(" ", ""):
            self.fail(f"{value!r} is not a length of time such as 4h, 90m or 1d12h", param, ctx)
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)


class SomePath(click.Path):
    """A path that is not empty: ``--aoi "$AOI"`` with AOI unset must not mean "no limit"."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty one."""
        if value == "":
            self.fail("the path is empty", param, ctx)
        return super().convert(value, param, ctx)


MOST_PIXELS = 1 << 20
PATH = SomePath(path_type=str)
PIXELS = click.IntRange(min=1)
COUNT = click.IntRange(min=1)


# What every verb has


def _set_level(ctx: click.Context, param: click.Parameter, value: int) -> None:
    if value:
        quieter = param.name == "quiet"
        ctx.meta[LEVEL] = logging.ERROR if quieter else max(logging.WARNING - 10 * int(value), logging.DEBUG)
        logging.getLogger("geoseg").setLevel(ctx.meta[LEVEL])


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[DEBUG] = True


def log_to_stderr(ctx: click.Context) -> None:
    """Send geoseg's log to stderr: warnings, with -v what is done, with -vv all, with -q errors only."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("geoseg: %(levelname)s: %(message)s"))
    logger = logging.getLogger("geoseg")
    logger.handlers[:] = [handler]
    logger.setLevel(ctx.meta.get(LEVEL, logging.WARNING))


def quiet() -> bool:
    """Whether -q was given: a verb then shows no progress."""
    return logging.getLogger("geoseg").getEffectiveLevel() >= logging.ERROR


def style(text: str, colour: str) -> str:
    """``text`` in a colour where stdout is a terminal that shows it; NO_COLOR (https://no-color.org) is obeyed."""
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else click.style(text, fg=colour)


def common_params() -> list[click.Option]:
    """New objects of the options that every verb takes: -v, -q, --debug."""
    level: dict[str, Any] = {"expose_value": False, "callback": _set_level}
    debug: dict[str, Any] = {"expose_value": False, "callback": _set_debug}
    return [
        click.Option(["-v", "--verbose"], count=True, help="Log what is done; twice: more.", **level),
        click.Option(["-q", "--quiet"], is_flag=True, help="Errors only, no progress.", **level),
        click.Option(["--debug"], is_flag=True, help="Show the traceback of an error.", **debug),
    ]


# How a scene is opened

bands = click.option("--bands", type=names, metavar="NAME,...", help="Names of the files' bands, in their order.")
nodata = click.option("--nodata", type=float, metavar="VALUE", help="Pixel value that means no data, in every band.")
scale = click.option(
    "--scale", type=Number(nonzero=True), metavar="FACTOR", help="Units = file value x FACTOR + offset."
)
offset = click.option("--offset", type=Number(), metavar="UNITS", help="Added after --scale.")
assume_crs = click.option(
    "--assume-crs", metavar="AUTHORITY:CODE", help="CRS of a raster that names none, such as EPSG:32633."
)
allow_remote = click.option(
    "--allow-remote", is_flag=True, help="Allow http(s):// and s3:// scenes; without it nothing opens a socket."
)
time = click.option("--time", metavar="LABEL", help="Time step of a NetCDF file that has several.")
date = click.option(
    "--date", metavar="YYYY-MM-DD", help="When the scene was taken, where its files do not say it; UTC."
)
quality = click.option(
    "--quality", metavar="clouds|FILE:values=V,...|FILE:bits=B,...",
    help="Flags whose pixels become no data: the product's own clouds, or values or bits of a file or band.",
)  # fmt: skip


SCENE = ("bands", "nodata", "scale", "offset", "assume_crs", "quality", "time", "date", "allow_remote")
"""Names of the options of :func:`scene_options`."""


def scene_options(command: Command) -> Command:
    """All that :func:`geoseg.raster.scene.open_scene` takes, see :data:`SCENE`."""
    return stack(command, bands, nodata, scale, offset, assume_crs, quality, time, date, allow_remote)


before = click.option(
    "--before", multiple=True, type=PATH, metavar="FILE",
    help="A file of the earlier date, once for each; SCENE... is then the later date. For bundles that compare two dates.",
)  # fmt: skip
before_bands = click.option(
    "--before-bands", type=names, metavar="NAME,...", help="As --bands, where the earlier date's are others."
)
before_time = click.option(
    "--before-time", metavar="LABEL", help="As --time, of the earlier date: two steps of one NetCDF file."
)
before_date = click.option("--before-date", metavar="YYYY-MM-DD", help="As --date, of the earlier date.")
align = click.option(
    "--align", is_flag=True, help="Bring the later date onto the earlier one's grid, bilinear, where they differ."
)


def date_options(command: Command) -> Command:
    """How the earlier of two dates is opened; see :func:`open_inputs`."""
    return stack(command, before, before_bands, before_time, before_date, align)


def open_inputs(scenes: Sequence[str], bundle: Bundle | None, given: dict[str, Any]) -> Scene:
    """Open what is given as one date or two, as the bundle wants it; takes the options that say how out of ``given``."""
    from geoseg.raster.pair import Earlier
    from geoseg.raster.pair import open_inputs as opened

    how = {name: given.pop(name) for name in SCENE}
    earlier = Earlier(
        tuple(given.pop("before")), given.pop("before_bands"), given.pop("before_time"), given.pop("before_date")
    )
    wanted = [band.name for band in bundle.bands] if bundle else []
    return opened(list(scenes), wanted, earlier=earlier, align=given.pop("align"), **how)


# How a mask is opened

connectivity = click.option(
    "--connectivity", type=click.Choice(["4", "8"]), default="4", show_default=True,
    help="Whether pixels that share a corner only are one region (8) or not (4).",
)  # fmt: skip
band = click.option("--band", type=COUNT, metavar="N", help="MASK's band of classes, where it has several.")
no_class = click.option(
    "--nodata", type=int, metavar="VALUE", help="Value that means no class; -1: every value is one."
)


def mask_options(command: Command) -> Command:
    """What :func:`geoseg.raster.classes.open_classes` takes."""
    return stack(command, band, no_class, assume_crs)


# The bundle and how it predicts

bundle = click.option("--bundle", type=PATH, metavar="DIR", help="The model bundle.")
required_bundle = click.option("--bundle", type=PATH, metavar="DIR", required=True, help="The model bundle.")
device = click.option(
    "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where the network runs."
)
backend = click.option(
    "--backend", type=click.Choice(["auto", "torch", "onnx", "openvino"]), default="auto", show_default=True,
    help="What runs the network; auto takes the fastest that is installed.",
)  # fmt: skip
precision = click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto", show_default=True,
    help="Numbers inside the network; auto stays at fp32 where more than 0.5 % of the bundle's sample changes class.",
)  # fmt: skip
batch_size = click.option("--batch-size", type=COUNT, metavar="CHIPS", help="Chips in one forward pass.")
threads = click.option("--threads", type=COUNT, metavar="N", help="Threads of one worker.")


def predict_options(command: Command) -> Command:
    """device, backend, precision, batch_size, threads: what :func:`geoseg.model.predict.choose` takes."""
    return stack(command, device, backend, precision, batch_size, threads)


# The plan

chip_size = click.option(
    "--chip-size", type=pixels_or_auto, metavar="PIXELS|auto",
    help="Side of a chip; the bundle's by default; auto: what predicts the fewest pixels twice.",
)  # fmt: skip
halo = click.option(
    "--halo", type=pixels_or_auto, metavar="PIXELS|auto",
    help="Context per side of a chip, read and dropped; the bundle's by default.",
)  # fmt: skip
block_size = click.option("--block-size", type=PIXELS, metavar="PIXELS", help="Side of a block, the unit of work.")
ram = click.option("--ram", type=size, metavar="SIZE", help="Memory of one worker, such as 4GiB; sizes the blocks.")
aoi = click.option("--aoi", type=PATH, metavar="FILE", help="Polygons that limit the work.")


def stitch_options(command: Command) -> Command:
    """How chips become a mask, and what is kept beside it: what blocks cost depends on it."""
    return stack(
        command,
        click.option(
            "--blend",
            type=click.Choice(["none", "hann", "linear"]),
            default="none",
            show_default=True,
            help="Weights of overlapping chips; none keeps each chip's core.",
        ),
        click.option("--tta", is_flag=True, help="Mean over the eight symmetries of a chip; eight times the work."),
        click.option("--confidence", is_flag=True, help="Also confidence.tif, percent."),
        click.option("--probabilities", is_flag=True, help="Also probabilities.zarr, (class, row, col)."),
    )


def plan_options(command: Command) -> Command:
    """chip_size, halo, block_size, ram: what a plan is made of."""
    return stack(command, chip_size, halo, block_size, ram)


# Running

workers = click.option("--workers", type=COUNT, metavar="N", help="Local worker processes.")


def cluster_options(command: Command) -> Command:
    """Workers on other machines: the keys of :class:`geoseg.config.ClusterChoice` after ``workers``."""
    return stack(
        command,
        click.option(
            "--scheduler", metavar="ADDRESS", help="A running Dask scheduler, such as tls://host:8786."
        ),
        click.option("--tls-ca", type=PATH, metavar="FILE", help="Certificate of the scheduler's authority, PEM."),
        click.option("--tls-cert", type=PATH, metavar="FILE", help="Certificate of this side, PEM."),
        click.option("--tls-key", type=PATH, metavar="FILE", help="Key of --tls-cert, PEM."),
        click.option(
            "--insecure", is_flag=True,
            help="Talk without TLS to a scheduler on another machine: whoever is on the way can run code.",
        ),
        click.option(
            "--slurm", metavar="KEY=VALUE,...",
            help="Start --workers jobs of SLURM: queue=gpu,cores=8,memory=16GiB,walltime=2:00:00,gpus=1.",
        ),
    )  # fmt: skip


# Jobs


def _own_store() -> str:
    """The store of this user: below XDG_STATE_HOME, by default ~/.local/state."""
    state = os.environ.get("XDG_STATE_HOME", "")
    home = state if os.path.isabs(state) else os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(home, "geoseg", "jobs.db")


store = click.option(
    "--store", type=PATH, metavar="FILE", default=_own_store, envvar="GEOSEG_STORE", show_envvar=True,
    show_default="~/.local/state/geoseg/jobs.db", help="The file of jobs and their history.",
)  # fmt: skip

# Outputs

overwrite = click.option("--overwrite", is_flag=True, help="Replace an output that exists.")
as_json = click.option("--json", "as_json", is_flag=True, help="JSON on stdout instead of a table.")
min_area = click.option(
    "--min-area", type=ByClass(), metavar="M2|CLASS=M2,...",
    help="Absorb regions below this area into a neighbour; by class, others stay unless a plain number is there too.",
)  # fmt: skip
simplify = click.option(
    "--simplify", type=click.FloatRange(min=0), metavar="M",
    help="Leave out vertices of shared boundaries whose triangle with their neighbours is smaller than M x M metres.",
)  # fmt: skip
smooth = click.option(
    "--smooth", is_flag=True, help="Cut the staircase of shared boundaries, before they are simplified."
)


def stack(command: Command, *decorators: Callable[[Command], Command]) -> Command:
    """Decorate ``command`` with several options; they show in this order."""
    for decorator in reversed(decorators):
        command = decorator(command)
    return command
