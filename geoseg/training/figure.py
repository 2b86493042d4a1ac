"""Figure: an empty sheet of matplotlib on which only what is drawn counts: the same drawing gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal


@contextmanager
def blank_figure(
    wide: float, high: float, *, dpi: float = 100, layout: Literal["constrained"] | None = "constrained"
) -> Iterator[Any]:
    """A figure of ``wide`` x ``high`` inches; drawn and saved inside, whatever a user's matplotlibrc says.

    No window, no state of pyplot. Save it with ``metadata={"Software": None}``, or its bytes name matplotlib's version.
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(wide, high), dpi=dpi, layout=layout)
        FigureCanvasAgg(figure)
        yield figure
