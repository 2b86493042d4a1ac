"""Algorithms: geoseg segment, polygonize and change as forms of the Processing toolbox."""

from __future__ import annotations

import os
import shlex
from typing import Any

from processing.core.ProcessingConfig import ProcessingConfig
from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputRasterLayer,
    QgsProcessingOutputVectorLayer,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProviderRegistry,
)

from . import command

COMMAND = "GEOSEG_COMMAND"
"""The setting that names the command."""


class _Verb(QgsProcessingAlgorithm):
    """What the verbs share: their place in the toolbox, common fields, and how the command is run."""

    VERB = ""
    TITLE = ""
    HELP = ""
    TELLS_PROGRESS = True

    def name(self) -> str:
        """The last part of ``geoseg:segment``."""
        return self.VERB

    def displayName(self) -> str:
        """What the toolbox says."""
        return self.TITLE

    def shortHelpString(self) -> str:
        """What stands beside the form."""
        return self.HELP

    def createInstance(self) -> Any:
        """A fresh one for a run."""
        return type(self)()

    def add_number(self, name: str, title: str, *, whole: bool = False) -> None:
        """An optional number that is not negative."""
        kind = QgsProcessingParameterNumber.Integer if whole else QgsProcessingParameterNumber.Double
        self.addParameter(QgsProcessingParameterNumber(name, title, type=kind, optional=True, minValue=0))

    def add_options(self) -> None:
        """A field for every other option of the command line."""
        field = QgsProcessingParameterString("OPTIONS", f"More options of geoseg {self.VERB}", optional=True)
        field.setFlags(field.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        self.addParameter(field)

    def add_folder(self) -> None:
        """The folder of a run."""
        self.addParameter(QgsProcessingParameterBoolean("OVERWRITE", "Replace the run that is there", False))
        self.addParameter(QgsProcessingParameterBoolean("LOAD", "Open map and polygons when it is done", True))
        self.addParameter(QgsProcessingParameterFolderDestination("OUTPUT", "Folder for the run"))

    def options(self, parameters: dict[str, Any], context: QgsProcessingContext, **names: str) -> list[str]:
        """``--option value`` of each number that is given, and ``--option`` of each box that is ticked, by field."""
        made: list[str] = []
        for field, option in names.items():
            if parameters.get(field) in (None, ""):
                continue
            definition = self.parameterDefinition(field)
            if definition.type() == "boolean":
                made += [option] if self.parameterAsBool(parameters, field, context) else []
            elif definition.type() == "number":
                whole = definition.dataType() == QgsProcessingParameterNumber.Integer
                read = self.parameterAsInt if whole else self.parameterAsDouble
                made += [option, repr(read(parameters, field, context))]
            else:
                made += [option, self.parameterAsString(parameters, field, context)]
        try:
            return made + shlex.split(self.parameterAsString(parameters, "OPTIONS", context))
        except ValueError as error:
            raise QgsProcessingException(f"More options: {error}") from error

    def run_command(self, arguments: list[str], feedback: QgsProcessingFeedback) -> None:
        """Run ``geoseg VERB ARGUMENTS``; its line becomes the error of the algorithm."""

        def progress(step: str, percent: float) -> None:
            feedback.setProgress(percent)
            feedback.setProgressText(step)

        try:
            program = command.find(ProcessingConfig.getSetting(COMMAND) or "")
            feedback.pushCommandInfo(" ".join(shlex.quote(part) for part in (program, self.VERB, *arguments)))
            code = command.run(
                program, [self.VERB, *arguments], on_line=feedback.pushConsoleInfo, on_progress=progress,
                is_cancelled=feedback.isCanceled, tells_progress=self.TELLS_PROGRESS,
            )  # fmt: skip
        except command.CommandFailed as error:
            raise QgsProcessingException(str(error)) from error
        if code == command.DONE_IN_PART:
            feedback.reportError("Some blocks failed and are nodata; run.json names them")

    def load(self, parameters: dict[str, Any], context: QgsProcessingContext, *layers: tuple[str, str, str]) -> None:
        """Open files (path, name, output) when all is done, where that is wished and they are there."""
        if not self.parameterAsBool(parameters, "LOAD", context):
            return
        for path, name, output in layers:
            if os.path.exists(path.split("|")[0]):
                details = QgsProcessingContext.LayerDetails(name, context.project(), output)
                context.addLayerToLoadOnCompletion(path, details)


class Segment(_Verb):
    """``geoseg segment``."""

    VERB, TITLE = "segment", "Map a scene"
    HELP = (
        "Maps a scene with a model bundle: a class map, polygons with areas, a table, a page and a QGIS project in one "
        "folder. The scene is one file, several with one band each, or the folder of a Sentinel-2 or Landsat product. "
        "A run that was cancelled is finished by the same form: its blocks are kept."
    )

    def initAlgorithm(self, configuration: Any = None) -> None:
        """The fields."""
        folder = QgsProcessingParameterFile.Folder
        self.addParameter(
            QgsProcessingParameterMultipleLayers("SCENE", "Scene", QgsProcessing.TypeRaster, optional=True)
        )
        self.addParameter(QgsProcessingParameterFile("PRODUCT", "Or product folder", folder, optional=True))
        self.addParameter(QgsProcessingParameterFile("BUNDLE", "Model bundle", folder))
        self.addParameter(
            QgsProcessingParameterString("BANDS", "Names of the files' bands, in order (blue,green,red)", optional=True)
        )
        self.add_number("MIN_AREA", "Absorb regions below this area, m²")
        self.add_number("SIMPLIFY", "Simplify outlines, metres")
        self.addParameter(QgsProcessingParameterBoolean("CONFIDENCE", "Write a confidence map too", False))
        self.add_options()
        self.add_folder()
        self.addOutput(QgsProcessingOutputRasterLayer("MASK", "Class map"))
        self.addOutput(QgsProcessingOutputVectorLayer("POLYGONS", "Polygons"))

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it, and say where things are."""
        product = self.parameterAsString(parameters, "PRODUCT", context)
        layers = self.parameterAsLayerList(parameters, "SCENE", context) if parameters.get("SCENE") else []
        scene = [product] if product else [_file_of(layer) for layer in layers]
        if not scene:
            raise QgsProcessingException("No scene: choose its layers or files, or a product folder")
        out = self.parameterAsString(parameters, "OUTPUT", context)
        bundle = self.parameterAsString(parameters, "BUNDLE", context)
        more = self.options(
            parameters, context, BANDS="--bands", MIN_AREA="--min-area", SIMPLIFY="--simplify",
            CONFIDENCE="--confidence", OVERWRITE="--overwrite",
        )  # fmt: skip
        self.run_command([*scene, out, "--bundle", bundle, *more], feedback)
        mask, polygons = os.path.join(out, "mask.tif"), os.path.join(out, "polygons.gpkg")
        self.load(parameters, context, (mask, "Class map", "MASK"), (polygons, "Polygons", "POLYGONS"))
        return {"OUTPUT": out, "MASK": mask, "POLYGONS": polygons}


class Polygonize(_Verb):
    """``geoseg polygonize``."""

    VERB, TITLE = "polygonize", "Polygons of a class map"
    HELP = (
        "Turns a raster of classes into polygons, one for each region of connected pixels of one class, with true areas. "
        "Small regions are absorbed first, then outlines are traced, then simplified, so that neighbours keep their border."
    )

    def initAlgorithm(self, configuration: Any = None) -> None:
        """The fields."""
        self.addParameter(QgsProcessingParameterRasterLayer("MASK", "Class map"))
        self.add_number("MIN_AREA", "Absorb regions below this area, m²")
        self.add_number("SIMPLIFY", "Simplify outlines, metres")
        self.addParameter(QgsProcessingParameterBoolean("SMOOTH", "Cut the staircase of outlines", False))
        self.addParameter(QgsProcessingParameterString("CLASSES", "Only these classes (water,tree)", optional=True))
        self.add_options()
        self.addParameter(
            QgsProcessingParameterVectorDestination("OUTPUT", "Polygons", QgsProcessing.TypeVectorPolygon)
        )

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it, and say where things are; that a file may be replaced was asked by the dialog that named it."""
        mask = _file_of(self.parameterAsRasterLayer(parameters, "MASK", context))
        out = self.parameterAsOutputLayer(parameters, "OUTPUT", context)
        more = self.options(
            parameters, context, MIN_AREA="--min-area", SIMPLIFY="--simplify", SMOOTH="--smooth", CLASSES="--class"
        )
        self.run_command([mask, out, "--overwrite", *more], feedback)
        return {"OUTPUT": out}


class Change(_Verb):
    """``geoseg change``."""

    VERB, TITLE, TELLS_PROGRESS = "change", "Change between two class maps", False
    HELP = (
        "Compares two class maps: what became what, as a map, a table, polygons, a page and a QGIS project in one folder. "
        "Of a map that geoseg segment has made, its confidence is known too."
    )

    def initAlgorithm(self, configuration: Any = None) -> None:
        """The fields."""
        self.addParameter(QgsProcessingParameterRasterLayer("BEFORE", "Map before"))
        self.addParameter(QgsProcessingParameterRasterLayer("AFTER", "Map after"))
        self.addParameter(QgsProcessingParameterBoolean("ALIGN", "Bring the second onto the first one's grid", False))
        self.add_number("TOLERANCE", "Absorb a shift at class borders, pixels", whole=True)
        self.add_number("MIN_AREA", "Leave out changed places below this area, m²")
        self.add_options()
        self.add_folder()
        self.addOutput(QgsProcessingOutputRasterLayer("CHANGE", "Change"))
        self.addOutput(QgsProcessingOutputVectorLayer("POLYGONS", "Changed places"))

    def processAlgorithm(
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> dict[str, Any]:
        """Run it, and say where things are."""
        sides = [
            _run_of(_file_of(self.parameterAsRasterLayer(parameters, side, context))) for side in ("BEFORE", "AFTER")
        ]
        out = self.parameterAsString(parameters, "OUTPUT", context)
        more = self.options(
            parameters,
            context,
            ALIGN="--align",
            TOLERANCE="--tolerance",
            MIN_AREA="--min-area",
            OVERWRITE="--overwrite",
        )
        self.run_command([*sides, out, *more], feedback)
        change, polygons = os.path.join(out, "change.tif"), os.path.join(out, "polygons.gpkg")
        self.load(parameters, context, (change, "Change", "CHANGE"), (polygons, "Changed places", "POLYGONS"))
        return {"OUTPUT": out, "CHANGE": change, "POLYGONS": polygons}


def _file_of(layer: Any) -> str:
    """The file of a raster layer."""
    if layer is None:
        raise QgsProcessingException("The layer cannot be opened")
    path = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source()).get("path", "")
    if layer.providerType() != "gdal" or not os.path.isfile(path):
        raise QgsProcessingException(f"{layer.name()} is no file on this computer. Save it as a GeoTIFF first")
    return str(path)


def _run_of(path: str) -> str:
    """The folder of the segment run that made a map, if one did."""
    folder, name = os.path.split(path)
    return folder if name == "mask.tif" and os.path.isfile(os.path.join(folder, "run.json")) else path
