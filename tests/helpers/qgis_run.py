"""Runs algorithms of the plugin in QGIS, for tests: run by the Python that has QGIS, offscreen; prints JSON.

``qgis_run.py PLUGINS COMMAND JOBS`` with JOBS a JSON list of ``[algorithm, parameters]``; each gives ``{"outputs", "told",
"progress", "loaded"}`` or ``{"error"}``.
"""

import json
import os
import sys

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.append("/usr/share/qgis/python/plugins")

from qgis.core import QgsApplication, QgsProcessingContext, QgsProcessingException, QgsProcessingFeedback, QgsProject


class Feedback(QgsProcessingFeedback):
    def __init__(self):
        super().__init__(False)
        self.told, self.steps = [], []
        self.progressChanged.connect(lambda percent: self.steps.append(percent))

    def pushConsoleInfo(self, text):
        self.told.append(text)
        super().pushConsoleInfo(text)
        if "CANCEL ME" in text:
            self.cancel()

    def reportError(self, text, fatalError=False):
        self.told.append(f"ERROR {text}")


def run(name, parameters):
    import processing

    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(QgsProject.instance())
    try:
        outputs = processing.run(name, parameters, feedback=feedback, context=context)
    except QgsProcessingException as error:
        return {"error": str(error), "told": feedback.told}
    waiting = {path: details.name for path, details in context.layersToLoadOnCompletion().items()}
    return {"outputs": outputs, "told": feedback.told, "progress": feedback.steps, "loaded": waiting}


def main():
    QgsApplication.setPrefixPath("/usr", True)
    application = QgsApplication([], True)
    application.initQgis()
    plugins, command, jobs = sys.argv[1:]
    from processing.core.Processing import Processing
    from processing.core.ProcessingConfig import ProcessingConfig

    Processing.initialize()
    sys.path.insert(0, plugins)
    import geoseg_processing

    plugin = geoseg_processing.classFactory(None)
    plugin.initProcessing()
    ProcessingConfig.setSettingValue("GEOSEG_COMMAND", command)
    names = [algorithm.id() for algorithm in plugin.provider.algorithms()]
    print(json.dumps({"names": names, "jobs": [run(*job) for job in json.loads(jobs)]}))
    sys.stdout.flush()
    os._exit(0)


main()
