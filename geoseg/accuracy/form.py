"""Form: how QGIS shows samples: a choice of classes for ``reference``, and nothing of what the map says.

Who sees the map's class agrees with it too often, and the accuracy comes out too high: columns that tell it are hidden in
the form, not in the file.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import quoteattr

from geoseg.legend import Legend
from geoseg.raster.printable import printable

_NULL = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"
"""What QGIS stores as NULL from a value map (``QgsValueMapFieldFormatter::NULL_VALUE``)."""

_OPEN, _DONE = "230,60,40,255", "40,130,70,255"


def sample_qml(legend: Legend, hidden: Iterable[str], *, points: bool) -> str:
    """Style and attribute form in QGIS's QML: ``reference`` is chosen from the legend, labelled samples turn green."""
    fields = _field("sample_id", "TextEdit", "") + _field("reference", "ValueMap", _value_map(legend))
    fields += _field("notes", "TextEdit", '<Option name="IsMultiline" type="bool" value="true"/>')
    fields += "".join(_field(name, "Hidden", "") for name in hidden)
    kind = "marker" if points else "fill"
    symbols = "".join(_symbol(i, colour, kind) for i, colour in enumerate((_OPEN, _DONE)))
    rules = (
        '<rule key="open" symbol="0" label="to label" filter="&quot;reference&quot; IS NULL"/>'
        '<rule key="done" symbol="1" label="labelled" filter="&quot;reference&quot; IS NOT NULL"/>'
    )
    shown = "".join(
        f'<attributeEditorField name="{name}" index="-1" showLabel="1"/>'
        for name in ("sample_id", "reference", "notes")
    )
    return (
        "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>"
        '<qgis version="3.28" styleCategories="Symbology|Fields|Forms">'
        f'<renderer-v2 type="RuleRenderer" symbollevels="0" forceraster="0">'
        f'<rules key="root">{rules}</rules><symbols>{symbols}</symbols></renderer-v2>'
        f"<fieldConfiguration>{fields}</fieldConfiguration>"
        f'<editable><field name="sample_id" editable="0"/></editable>'
        "<featformsuppress>0</featformsuppress><editorlayout>tablayout</editorlayout>"
        f"<attributeEditorForm>{shown}</attributeEditorForm>"
        '<previewExpression>"sample_id"</previewExpression></qgis>'
    )


def _value_map(legend: Legend) -> str:
    """Names to values, in the legend's order after "not labelled"; two classes of one name are told by value."""
    names = [item.name for item in legend.classes]
    told = [f"{c.name} ({c.value})" if names.count(c.name) > 1 else c.name for c in legend.classes]
    pairs = [("(not labelled)", _NULL), *zip(told, map(str, legend.values), strict=True)]
    items = "".join(
        f'<Option type="Map"><Option name={quoteattr(printable(name))} type="QString" value={quoteattr(value)}/></Option>'
        for name, value in pairs
    )
    return f'<Option name="map" type="List">{items}</Option>'


def _field(name: str, widget: str, options: str) -> str:
    config = f'<Option type="Map">{options}</Option>' if options else "<Option/>"
    return (
        f'<field name="{name}" configurationFlags="None"><editWidget type="{widget}"><config>{config}</config>'
        "</editWidget></field>"
    )


def _symbol(name: int, rgba: str, kind: str) -> str:
    if kind == "marker":
        layer, options = (
            "SimpleMarker",
            {"name": "cross_fill", "color": rgba, "outline_color": "255,255,255,255", "size": "3"},
        )
    else:
        layer, options = (
            "SimpleFill",
            {"style": "no", "outline_color": rgba, "outline_style": "solid", "outline_width": "0.6"},
        )
    settings = "".join(f'<Option type="QString" name="{key}" value="{value}"/>' for key, value in options.items())
    return (
        f'<symbol type="{kind}" name="{name}" alpha="1" clip_to_extent="1" force_rhr="0">'
        f'<layer class="{layer}" enabled="1" locked="0" pass="0"><Option type="Map">{settings}</Option></layer></symbol>'
    )
