"""What QGIS makes of files, for tests: run by the Python that has QGIS, offscreen; prints JSON.

``qgis_look.py project PROJECT PICTURE [GROUP,...]...`` reads a project and draws it, and some of its groups alone, each as a
picture with its number for the %; an empty word is the project as it opens;
``qgis_look.py files PICTURE FILE...`` opens files as a user drops them into an empty project and draws each.
"""

import json
import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from qgis.core import (
    QgsApplication,
    QgsLayerTreeModel,
    QgsMapRendererParallelJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.gui import QgsMapCanvas
from qgis.PyQt.QtCore import QSize, Qt
from qgis.PyQt.QtGui import QColor


def draw(layers, crs, extent, picture, size=(400, 400)):
    settings = QgsMapSettings()
    settings.setLayers(layers)
    settings.setDestinationCrs(crs)
    settings.setExtent(extent)
    settings.setOutputSize(QSize(*size))
    settings.setBackgroundColor(QColor(255, 255, 255))
    settings.setFlag(QgsMapSettings.Antialiasing, False)
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    assert not job.errors(), [error.message for error in job.errors()]
    job.renderedImage().save(picture)
    return corners(settings.visibleExtent())


def corners(extent):
    return [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()]


def legend(project, node):
    """What the panel of layers says below a layer."""
    model = QgsLayerTreeModel(project.layerTreeRoot())
    said = [entry.data(Qt.DisplayRole) for entry in model.layerLegendNodes(node)]
    return [text for text in said if isinstance(text, str)]


def told(project, node):
    layer = node.layer()
    if layer is None:
        return {"name": node.name(), "valid": False}
    return {
        "name": node.name(), "group": node.parent().name(), "ticked": node.itemVisibilityChecked(), "valid": layer.isValid(),
        "crs": layer.crs().authid(), "source": layer.source(), "legend": legend(project, node),
        "extent": corners(layer.extent()),
    }  # fmt: skip


def project(path, picture, *pictures):
    made, canvas = QgsProject.instance(), QgsMapCanvas()
    canvas.setObjectName("theMapCanvas")  # as QGIS calls its window's
    canvas.resize(400, 400)
    assert made.read(path), made.error()
    root, view = made.layerTreeRoot(), canvas.extent()
    nodes = root.findLayers()
    for number, names in enumerate(pictures or [""]):
        shown = [node for node in nodes if (node.parent().name() in names.split(",") if names else node.isVisible())]
        layers = [node.layer() for node in shown if node.layer() is not None]
        drawn = draw(layers, made.crs(), view, picture.replace("%", str(number)))
    return {
        "title": made.title(), "crs": made.crs().authid(), "proj": made.crs().toProj(), "view": corners(view), "drawn": drawn,
        "groups": [child.name() for child in root.children()], "layers": [told(made, node) for node in nodes],
    }  # fmt: skip


def files(picture, *paths):
    made, out = QgsProject.instance(), []
    for number, path in enumerate(paths):
        kind = QgsVectorLayer if ".gpkg" in path else QgsRasterLayer
        layer = kind(path, f"layer {number}", "ogr" if ".gpkg" in path else "gdal")
        made.addMapLayer(layer)
        draw([layer], layer.crs(), layer.extent(), picture.replace("%", str(number)))
        out.append(told(made, made.layerTreeRoot().findLayer(layer.id())))
    return out


def main():
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], True)
    application.initQgis()
    verb, *rest = sys.argv[1:]
    print(json.dumps({"project": project, "files": files}[verb](*rest)))
    sys.stdout.flush()
    os._exit(0)  # QGIS's own exit may crash once all is said


main()
