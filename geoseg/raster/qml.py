"""QML: how QGIS draws a raster: classes in their colours, a quantity on a ramp, three bands as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from geoseg.legend import Colour, Legend
from geoseg.raster.look import LIFT
from geoseg.raster.printable import printable

HEAD = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

_NEAREST = (
    '    <rasterresampler zoomedInResampler="nearest" zoomedOutResampler="nearest" maxOversampling="1"/>\n'
    "    <resamplingStage>resamplingFilter</resamplingStage>\n"
)
_FULL = 'opacity="1" alphaBand="-1" nodataColor=""'
_GAMMA = round(1 / LIFT, 2)
"""QGIS takes the inverse."""


def qml(legend: Legend) -> str:
    """Return the text of ``mask.qml``: QGIS's style of unique values, in the legend's order."""
    return raster_qml(classes_pipe(legend))


def raster_qml(pipe: str) -> str:
    """A style file of a raster, of one of the pipes below."""
    return (
        f'{HEAD}<qgis version="3.22" styleCategories="AllStyleCategories" hasScaleBasedVisibilityFlag="0">\n'
        f"{pipe}  <blendMode>0</blendMode>\n</qgis>\n"
    )


def classes_pipe(legend: Legend, band: int = 1) -> str:
    """Unique values in the legend's order, with its names and colours."""
    entries = "".join(
        f'        <paletteEntry value="{c.value}" color="{_hex(c.colour)}" alpha="255" label={label(c.name)}/>\n'
        for c in legend.classes
    )
    return _pipe(
        f'    <rasterrenderer type="paletted" band="{band}" {_FULL}>\n'
        f"      <rasterTransparency/>\n      <colorPalette>\n{entries}      </colorPalette>\n"
        "    </rasterrenderer>\n"
    )


def ramp_pipe(stops: Sequence[tuple[float, str, Colour]]) -> str:
    """A quantity in colours between those of ``stops``: value, what the legend says of it, colour."""
    low, high = f"{stops[0][0]:.10g}", f"{stops[-1][0]:.10g}"
    items = "".join(
        f'          <item value="{value:.10g}" label={label(said)} color="{_hex(colour)}" alpha="255"/>\n'
        for value, said, colour in stops
    )
    return _pipe(
        f'    <rasterrenderer type="singlebandpseudocolor" band="1" {_FULL} classificationMin="{low}" '
        f'classificationMax="{high}">\n      <rasterTransparency/>\n      <rastershader>\n'
        f'        <colorrampshader colorRampType="INTERPOLATED" classificationMode="1" clip="0" minimumValue="{low}" '
        f'maximumValue="{high}">\n{items}        </colorrampshader>\n      </rastershader>\n    </rasterrenderer>\n'
    )


def picture_pipe(bands: Sequence[int], limits: Sequence[tuple[float, float]]) -> str:
    """Three bands, 1-based, as red, green and blue, or one as grey, between what becomes black and white."""
    if len(bands) == 1:
        head = f'type="singlebandgray" grayBand="{bands[0]}" gradient="BlackToWhite"'
        names = ["contrastEnhancement"]
    else:
        head = 'type="multibandcolor" redBand="{}" greenBand="{}" blueBand="{}"'.format(*bands)
        names = ["redContrastEnhancement", "greenContrastEnhancement", "blueContrastEnhancement"]
    stretched = "".join(
        f"      <{name}>\n        <minValue>{low:.10g}</minValue>\n        <maxValue>{high:.10g}</maxValue>\n"
        f"        <algorithm>StretchToMinimumMaximum</algorithm>\n      </{name}>\n"
        for name, (low, high) in zip(names, limits, strict=True)
    )
    return _pipe(
        f"    <rasterrenderer {head} {_FULL}>\n      <rasterTransparency/>\n{stretched}    </rasterrenderer>\n"
        f'    <brightnesscontrast brightness="0" contrast="0" gamma="{_GAMMA}"/>\n'
    )


def label(name: str) -> str:
    """A name as a quoted attribute: XML 1.0 has no control characters, and layouts compute what stands in ``[% %]``."""
    return quoteattr(printable(name).replace("[%", "[ %"))


def _pipe(parts: str) -> str:
    return f"  <pipe>\n{parts}{_NEAREST}  </pipe>\n"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
