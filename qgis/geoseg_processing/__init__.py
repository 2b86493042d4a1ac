"""The plugin: a provider of geoseg's algorithms for the Processing toolbox of QGIS 3.22 and later."""

from __future__ import annotations

from typing import Any


def classFactory(iface: Any) -> Any:
    """What QGIS calls to get a plugin."""
    from .provider import Plugin

    return Plugin()
