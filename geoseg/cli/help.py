"""Help: a verb's options under headings, in the order of :data:`GROUPS`, so that a page of them can be read."""

from __future__ import annotations

import click

GROUPS: dict[str, tuple[str, ...]] = {
    "What it works on": (
        "bundle", "labels", "scenes", "aoi", "zones", "zone_field", "mask", "classes", "confidence", "before", "layer", "field",
        "recode", "strata", "reference_field", "map_field", "stratum_field", "before_errors", "after_errors", "errors",
        "dates", "label_field", "label_layer", "label_band", "label_nodata", "label_width", "calibrate",
    ),
    "How its files are read": (
        "bands", "band", "nodata", "scale", "offset", "assume_crs", "quality", "time", "allow_remote", "before_bands",
        "before_time", "align", "width", "all_touched", "headers_only",
    ),
    "How the network runs": (
        "device", "backend", "precision", "batch_size", "tta", "chip_size", "halo", "blend", "mask_with", "mask_classes",
        "on_bad_block",
    ),
    "What counts as a class or a change": (
        "crf", "majority", "opening", "closing", "min_area", "min_pixels", "connectivity", "tolerance", "confidence_min",
        "joint_min", "max_shift", "flicker", "stay", "fill_gaps", "method", "threshold", "false_alarm", "coverage",
        "boundary", "intervals", "interval", "correction",
    ),
    "Outlines": ("simplify", "smooth", "split"),
    "Where and when it runs": (
        "workers", "threads", "ram", "block_size", "scheduler", "tls_ca", "tls_cert", "tls_key", "insecure", "slurm", "work",
        "restart", "reuse", "cron", "timezone", "on_new", "catch_up", "grace", "overlap", "max_runtime", "retries",
        "priority", "parallel", "lease", "settle", "once", "timeout", "wait", "root", "roots", "store", "page", "port",
    ),
    "What it leaves": (
        "out", "output", "only", "write_confidence",
        "probabilities", "matrix", "note", "notes", "notify", "keep", "keep_runs", "progress",
        "as_json", "geojson", "overwrite",
    ),
}  # fmt: skip
"""Headings and the names of options below them; what is not named here is the verb's own and comes first, as "Options"."""

COMMON = "For every verb"
_COMMON = ("verbose", "quiet", "debug", "help")
_FEW = 6
"""A verb with no more options than this needs no headings."""


def grouped(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write a command's options under their headings."""
    params = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    records = {_key(param): record for param in params if (record := param.get_help_record(ctx))}
    common = [records.pop(name) for name in _COMMON if name in records]
    if len(records) > _FEW:
        for heading, names in _sections(records):
            with formatter.section(heading):
                formatter.write_dl([records[name] for name in names])
    elif records:
        with formatter.section("Options"):
            formatter.write_dl(list(records.values()))
    if common:
        with formatter.section(COMMON):
            formatter.write_dl(common)


def _key(param: click.Option) -> str:
    """The name of an option; a flag that asks for a file is told from the option of the same name that gives one."""
    if "--help" in param.opts:
        return "help"
    return "write_confidence" if param.name == "confidence" and param.is_flag else param.name or ""


def _sections(records: dict[str, tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Headings with the names below them; a verb's own order within each."""
    placed = {name for names in GROUPS.values() for name in names}
    found = [("Options", [name for name in records if name not in placed])]
    found += [(heading, [name for name in records if name in names]) for heading, names in GROUPS.items()]
    return [(heading, names) for heading, names in found if names]
