"""``geoseg doctor``: whether this machine and this installation can do what geoseg does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from geoseg.cli import options

if TYPE_CHECKING:
    from geoseg.jobs.doctor.finding import Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command(
    epilog=options.example("geoseg doctor", "geoseg doctor --only gdal,proj,disk --folder . --json"),
)
@click.option(
    "--folder", type=options.PATH, default=".", show_default=True, metavar="DIR",
    help="Where outputs will lie: its disk is looked at, and files that are written there are removed again.",
)  # fmt: skip
@click.option("--only", type=options.names, metavar="CHECK,...", help="These checks; all of them by default.")
@click.option(
    "--timeout", type=options.Duration(), default="60s", show_default=True, metavar="TIME",
    help="A check that takes longer has failed.",
)  # fmt: skip
@options.as_json
def command(folder: str, only: tuple[str, ...] | None, timeout: float, as_json: bool) -> None:
    """Check versions, data of GDAL and PROJ, processors, memory, disks, SQLite, GPUs and a cluster of two processes.

    One line for each check: ok, warn (works, and could work better) or fail (some verb will not work), and what to do.
    Each check is a process of its own, so that one that hangs or crashes does not keep the others from being told. The
    exit code is 6 when a check fails.
    """
    from geoseg.cli.signals import stoppable
    from geoseg.errors import ResourceError
    from geoseg.jobs.doctor.examine import examine

    if not timeout > 0:
        raise click.BadParameter("--timeout is longer than no time")
    findings: list[Finding] = []
    with stoppable("doctor", "Run it again"):
        for finding in examine(folder, only=only or (), patience=timeout):
            findings.append(finding)
            if not as_json and not (options.quiet() and finding.status == "ok"):
                _say(finding)
    failed = [finding.check for finding in findings if finding.status == "fail"]
    if as_json:
        status = "fail" if failed else "warn" if any(f.status == "warn" for f in findings) else "ok"
        click.echo(json.dumps({"status": status, "checks": [finding.facts() for finding in findings]}, indent=2))
    if failed:
        raise ResourceError.of("DOCTOR", ", ".join(failed), "this will not work here", "See the remedies on its lines")


def _say(finding: Finding) -> None:
    head = options.style(f"{finding.status:<5}", _COLOURS[finding.status])
    remedy = f". {finding.remedy}" if finding.remedy else ""
    click.echo(f"{head} {finding.check:<8} {finding.text}{remedy}")
