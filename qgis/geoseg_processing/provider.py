"""The provider: geoseg's algorithms in the toolbox, and the setting that names the command."""

from __future__ import annotations

from typing import Any

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsApplication, QgsProcessingProvider

from .algorithms import COMMAND, Change, Polygonize, Segment


class GeosegProvider(QgsProcessingProvider):
    """geoseg in the toolbox."""

    def load(self) -> bool:
        """Add the setting, then the algorithms."""
        what = "geoseg command, or the folder of its virtual environment (empty: the one on the PATH)"
        ProcessingConfig.settingIcons[self.name()] = self.icon()
        ProcessingConfig.addSetting(Setting(self.name(), COMMAND, what, "", valuetype=Setting.STRING))
        ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self) -> None:
        """Take the setting away."""
        ProcessingConfig.removeSetting(COMMAND)

    def loadAlgorithms(self) -> None:
        """One for each verb."""
        for algorithm in (Segment, Polygonize, Change):
            self.addAlgorithm(algorithm())

    def id(self) -> str:
        """The first part of ``geoseg:segment``."""
        return "geoseg"

    def name(self) -> str:
        """What the toolbox says."""
        return "geoseg"

    def supportsNonFileBasedOutput(self) -> bool:
        """Outputs are files."""
        return False

    def supportedOutputVectorLayerExtensions(self) -> list[str]:
        """What geoseg writes and every QGIS reads; the first is the default."""
        return ["gpkg", "shp", "fgb", "geojson"]


class Plugin:
    """What QGIS loads: it adds the provider and takes it away."""

    def __init__(self) -> None:
        """Nothing is added yet."""
        self.provider: Any = None

    def initProcessing(self) -> None:
        """Add the provider; ``qgis_process`` calls this alone."""
        self.provider = GeosegProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self) -> None:
        """Add the provider."""
        self.initProcessing()

    def unload(self) -> None:
        """Take it away."""
        QgsApplication.processingRegistry().removeProvider(self.provider)
