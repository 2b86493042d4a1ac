"""Make the reference's pages: every verb from click, every public name from its docstring, every setting from pydantic."""

from __future__ import annotations

import importlib
import inspect
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

import geoseg
from geoseg.cli.main import VERBS, cli

MODELS = {
    "Segment": "geoseg.config:SegmentSettings",
    "Filters": "geoseg.config:FilterChoice",
    "Workers": "geoseg.config:ClusterChoice",
    "SLURM": "geoseg.config:SlurmChoice",
    "Polygonize": "geoseg.config:PolygonizeSettings",
    "Sieve": "geoseg.config:SieveSettings",
    "Evaluate": "geoseg.config:EvaluateSettings",
    "Change of maps": "geoseg.compare.settings:ChangeSettings",
    "Maps of several dates": "geoseg.compare.trajectory_settings:TrajectorySettings",
    "Change of images": "geoseg.compare.image_settings:ImageSettings",
    "Sample": "geoseg.accuracy.settings:SampleSettings",
    "Estimate": "geoseg.accuracy.settings:EstimateSettings",
    "Synthetic scenes": "geoseg.training.synth.settings:SynthSettings",
    "A job of the service": "geoseg.schedule.settings:JobSettings",
}
"""Settings of the functions and verbs, each by itself; those of YAML files are walked through from their top."""

FILES = {
    "A pipeline's file": ("pipeline.md", "geoseg.pipeline.settings:Pipeline"),
    "A training's file": ("training.md", "geoseg.training.settings.job:TrainSettings"),
}


def write(folder: Path) -> None:
    """Write the pages into a folder of their own."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pages = {
        "commands.md": commands(),
        "python.md": python(),
        "settings.md": settings(),
        **{name: yaml_file(title, model) for title, (name, model) in FILES.items()},
    }
    for name, lines in pages.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def commands() -> Iterator[str]:
    """A section for each verb, and for each verb of a verb."""
    yield "# Commands\n"
    yield "What `geoseg VERB --help` says, for all verbs. Sizes are in pixels, areas in m2 or ha, as each option says.\n"
    with click.Context(cli, info_name="geoseg", **cli.context_settings) as top:
        for verb in VERBS:
            command = cli.get_command(top, verb)
            assert command is not None
            yield from _command(command, top, verb, "##")


def _command(command: click.Command, above: click.Context, name: str, mark: str) -> Iterator[str]:
    how = {**above.command.context_settings, "max_content_width": 100, "terminal_width": 100}
    with click.Context(command, info_name=name, parent=above, **how) as context:
        yield f"{mark} {context.command_path}\n"
        yield f"```text\n{command.get_help(context).rstrip()}\n```\n"
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                yield from _command(found, context, inner, mark + "#")


def python() -> Iterator[str]:
    """Every public name, from its docstring."""
    things = {name: thing for name in geoseg.__all__ if not inspect.ismodule(thing := getattr(geoseg, name))}
    kinds = {
        "Functions": lambda thing: not inspect.isclass(thing),
        "Results and values": lambda thing: inspect.isclass(thing) and not issubclass(thing, BaseModel | Exception),
        "Errors": lambda thing: inspect.isclass(thing) and issubclass(thing, Exception),
    }
    yield "# Python\n"
    yield "Each function is the code of the verb of its name. Names are loaded when they are first used.\n"
    for title, belongs in kinds.items():
        yield f"## {title}\n"
        for name, thing in things.items():
            if belongs(thing):
                yield f"### geoseg.{name}\n"
                yield from _autodoc(name, thing)
        if title == "Errors":
            yield "### geoseg.errors\n\n```{eval-rst}\n.. automodule:: geoseg.errors\n   :members:\n   :noindex:\n```\n"
    yield "## Settings\n"
    names = [name for name, thing in things.items() if inspect.isclass(thing) and issubclass(thing, BaseModel)]
    yield f"{', '.join(f'`geoseg.{name}`' for name in names)}: see [Settings](settings.md).\n"


def _autodoc(name: str, thing: Any) -> Iterator[str]:
    kind = "autoclass" if inspect.isclass(thing) else "autofunction"
    members = "\n   :members:" if kind == "autoclass" and not issubclass(thing, Exception) else ""
    yield f"```{{eval-rst}}\n.. {kind}:: geoseg.{name}{members}\n```\n"


def settings() -> Iterator[str]:
    """The settings of functions and verbs."""
    yield "# Settings\n"
    yield "What functions take as `settings=`, or name by name, and steps of a [pipeline](pipeline.md) as keys. All are"
    yield "checked: a name that is not here, or a number out of its range, is refused with what it should be.\n"
    for title, where in MODELS.items():
        yield from _model(_class(where), f"{title}: {_class(where).__name__}", "##")


def yaml_file(title: str, where: str) -> Iterator[str]:
    """All models that a YAML file is made of, from its top down."""
    yield f"# {title}\n"
    queue, seen = [_class(where)], set()
    while queue:
        model = queue.pop(0)
        if model in seen:
            continue
        seen.add(model)
        yield from _model(model, model.__name__, "##")
        queue += _inside(model)


def _class(where: str) -> type[BaseModel]:
    module, _, name = where.partition(":")
    found: type[BaseModel] = getattr(importlib.import_module(module), name)
    return found


def _inside(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Models that the fields of a model speak of, in their order."""
    found: list[type[BaseModel]] = []

    def look(annotation: Any) -> None:
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            found.append(annotation)
        for inner in getattr(annotation, "__args__", ()):
            look(inner)

    for field in model.model_fields.values():
        look(field.annotation)
    return found


def _model(model: type[BaseModel], title: str, mark: str) -> Iterator[str]:
    yield f"{mark} {title}\n"
    yield inspect.cleandoc(model.__doc__ or "").replace("``", "`") + "\n"
    properties = model.model_json_schema().get("properties")
    if properties is None:
        return  # written as a number or a text
    yield "| name | what may be given | default | meaning |"
    yield "|---|---|---|---|"
    for name, field in model.model_fields.items():
        schema = properties.get(name)
        if schema is None:
            continue  # not for a file to say
        default = "needed" if field.is_required() else f"`{_default(field.get_default(call_default_factory=True))}`"
        cells = (f"`{name}`", _given(schema), default, field.description or "")
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _default(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", exclude_defaults=True)
    return json.dumps(value, ensure_ascii=False, default=list)


_LIMITS = {"minimum": "≥ ", "exclusiveMinimum": "> ", "maximum": "≤ ", "exclusiveMaximum": "< "}
_WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "null": "nothing",
}


def _given(schema: dict[str, Any]) -> str:
    """What a JSON schema admits, in words."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{json.dumps(item)}`" for item in schema.get("enum", [schema.get("const")]))
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_given(item) for item in schema[key]))
    kind = schema.get("type")
    if kind == "array":
        inner = schema.get("items") or {}
        return f"list of {_given(inner)}" if inner else "list"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"table of {_given(inner)}" if isinstance(inner, dict) else "table"
    limits = [f"{sign}{schema[key]:g}" for key, sign in _LIMITS.items() if key in schema]
    limits += [f"at least {schema['minLength']} letters"] if schema.get("minLength", 0) > 1 else []
    return " ".join([_WORDS.get(str(kind), "anything"), ", ".join(limits)]).rstrip()
