"""Plan HTML: a plan in a notebook: its figures, and blocks and one chip drawn to scale."""

from __future__ import annotations

from base64 import b64encode

from geoseg import notebook
from geoseg.jobs.plan import Plan

_SIDE = 160
_MOST_LINES = 40
"""Lines of blocks in each direction; of more of them every second, fourth, ... is drawn."""


def plan_html(plan: Plan) -> str:
    """Figures beside a drawing."""
    chips, blocks = plan.chips, plan.grid
    told = {
        "scene": f"{chips.shape[0]:,} x {chips.shape[1]:,} pixels, {plan.bands} bands",
        "chips": f"{len(chips):,} of {chips.chip_size} pixels, halo {chips.halo}, stride {chips.stride}",
        "blocks": f"{len(blocks):,} of {blocks.block_size} pixels",
        "memory": f"{plan.worker_bytes / 2**20:,.0f} MiB in each worker",
        "reads": f"{plan.read_bytes / 2**20:,.1f} MiB",
        "writes": f"{plan.write_bytes / 2**20:,.1f} MiB",
    }
    drawing = "data:image/svg+xml;base64," + b64encode(drawn(plan).encode()).decode()
    caption = "blocks (grey), a chip (blue) and its core (white)"
    return notebook.panel("Plan", notebook.facts(told), picture=notebook.picture(drawing, caption))


def drawn(plan: Plan) -> str:
    """The scene's outline with its blocks and the chip in its middle, as SVG of at most 160 units."""
    rows, cols = plan.chips.shape
    scale = _SIDE / max(rows, cols)
    high, wide = rows * scale, cols * scale
    lines = [*_lines(rows, plan.grid.block_size, scale, wide, down=True)]
    lines += _lines(cols, plan.grid.block_size, scale, high, down=False)
    chip, core = plan.chips.chip_size * scale, plan.chips.stride * scale
    middle = [(length - chip) / 2 for length in (wide, high)]
    inner = [start + plan.chips.halo * scale for start in middle]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide + 2:.1f}" height="{high + 2:.1f}" '
        f'viewBox="-1 -1 {wide + 2:.1f} {high + 2:.1f}">'
        f'<rect width="{wide:.1f}" height="{high:.1f}" fill="#dfe3e8" stroke="#555"/>'
        f'<path d="{"".join(lines)}" stroke="#8a929c" stroke-width=".7" fill="none"/>'
        f'<svg width="{wide:.1f}" height="{high:.1f}">'
        f'<rect x="{middle[0]:.1f}" y="{middle[1]:.1f}" width="{chip:.1f}" height="{chip:.1f}" fill="#2666b8" fill-opacity=".75"/>'
        f'<rect x="{inner[0]:.1f}" y="{inner[1]:.1f}" width="{core:.1f}" height="{core:.1f}" fill="#fff" fill-opacity=".75"/>'
        "</svg></svg>"
    )


def _lines(side: int, block: int, scale: float, length: float, *, down: bool) -> list[str]:
    each = block * max(-(-side // block // _MOST_LINES), 1)
    places = (at * scale for at in range(each, side, each))
    return [f"M0 {at:.1f}h{length:.1f}" if down else f"M{at:.1f} 0v{length:.1f}" for at in places]
