"""Estimate page: areas and accuracies with intervals, as one file to look at."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from geoseg.accuracy.estimate_table import EstimateTable
from geoseg.report.estimate_content import report_of_estimate
from geoseg.report.page import write_page


def write_estimate_page(table: EstimateTable, page: Path, tables: Sequence[Path] = ()) -> None:
    """Write the page of an estimate; it names those of the ``tables`` that lie beside it."""
    beside = [path.name for path in tables if path.resolve().parent == page.resolve().parent]
    told = json.loads(table.to_json())
    write_page(page, report_of_estimate(told, files=beside))
