"""Scenes: which scenes a pipeline is about, from paths, patterns, a table, or a STAC catalog; in order of time."""

from __future__ import annotations

import csv
import glob
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from geoseg.errors import InputRefused, UsageError
from geoseg.pipeline.paths import Paths, is_address
from geoseg.pipeline.settings import Scenes

MOST_SCENES = 1_000_000
_DAY = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DIRECTIVES = {
    "Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "M": r"\d{2}", "S": r"\d{2}", "j": r"\d{3}", "y": r"\d{2}",
    "b": r"[A-Za-z]{3}",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SceneEntry:
    """One scene before it is opened: what it is called, its files, when it was taken (UTC), and what else is known of it."""

    name: str
    files: tuple[str, ...]
    date: datetime | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    bands: tuple[str, ...] | None = None

    def known(self, role: str = "scene") -> dict[str, str | datetime | None]:
        """What templates may use: ``scene.name``, ``scene.date``, and its properties."""
        own = {f"{role}.{key}": value for key, value in self.properties.items()}
        return {**own, f"{role}.name": self.name, f"{role}.date": self.date}


def find_scenes(scenes: Scenes, paths: Paths, *, out: Path | None = None) -> tuple[SceneEntry, ...]:
    """All scenes, by date and then by name where every date is known, else as they were given.

    What a pattern finds below ``out``, the run's own folder, is none: yesterday's maps are not today's scenes.

    Raises
    ------
    InputRefused
        ``SCENES``: there is none, two have one name, or a table or catalog cannot be read. ``ROOT``: one lies outside of
        the allowed folders.
    UsageError
        ``DATES``: an order of time is asked for, and a date is not known.
    """
    found = [_dated(entry, scenes) for entry in _listed(scenes, paths, out)]
    if not found:
        raise InputRefused.of("SCENES", _asked(scenes), "no scene is there", "Check scenes in the pipeline's file")
    _refuse_twins(found, scenes)
    timed = [(entry.date, entry.name, entry) for entry in found if entry.date is not None]
    if len(timed) == len(found):
        found = [entry for *_, entry in sorted(timed, key=lambda item: item[:2])]
    elif scenes.since or scenes.until or scenes.last:
        lack = next(entry for entry in found if entry.date is None)
        what = "its date is not known, and since, until and last need all"
        raise UsageError.of(
            "DATES", lack.name, what, "Say how it stands in the name, scenes: date, or list it in a table"
        )
    return _within(found, scenes)


def _listed(scenes: Scenes, paths: Paths, out: Path | None) -> Iterable[SceneEntry]:
    if scenes.table:
        return _of_table(Path(paths.at(scenes.table)), paths)
    if scenes.catalog:
        from geoseg.pipeline.stac import scenes_of_catalog

        return scenes_of_catalog(Path(paths.at(scenes.catalog)), scenes, paths)
    if scenes.api:
        from geoseg.pipeline.stac import scenes_of_api

        return scenes_of_api(scenes.api, scenes)
    if scenes.paths:
        return _of_paths(scenes, paths)
    own = out and out.resolve()
    files = [file for file in _globbed(scenes, paths) if not (own and Path(file).resolve().is_relative_to(own))]
    return [_of_files((file,), scenes) for file in files]


def _of_paths(scenes: Scenes, paths: Paths) -> Iterator[SceneEntry]:
    """Files and product folders; of a STAC item its own files, with the date and the properties that it tells."""
    from geoseg.pipeline.stac import scenes_of_catalog

    for path in scenes.paths:
        files = tuple(paths.at(file) for file in ((path,) if isinstance(path, str) else path))
        if len(files) == 1 and files[0].lower().endswith((".json", ".geojson")) and not is_address(files[0]):
            yield from scenes_of_catalog(Path(files[0]), scenes, paths)
        else:
            yield _of_files(files, scenes)


def _globbed(scenes: Scenes, paths: Paths) -> list[str]:
    patterns = (scenes.glob,) if isinstance(scenes.glob, str) else scenes.glob
    found: set[str] = set()
    for pattern in patterns:
        for match in glob.iglob(pattern, root_dir=paths.folder, recursive=True):
            found.add(paths.at(match))
            if len(found) > MOST_SCENES:
                raise InputRefused.of("SCENES", pattern, f"is more than {MOST_SCENES} files", "Name fewer")
    return sorted(found)


def _of_files(files: tuple[str, ...], scenes: Scenes) -> SceneEntry:
    first = Path(files[0])
    return SceneEntry(first.parent.name if scenes.name == "folder" else _stem(first), files)


def _stem(path: Path) -> str:
    """A file's name without its ending, a product's without ``.SAFE``."""
    return path.stem if path.suffix and not re.fullmatch(r"\.\d+", path.suffix) else path.name


def _of_table(table: Path, paths: Paths) -> Iterator[SceneEntry]:
    """Scenes of a CSV or GeoParquet file; paths in it are relative to it."""
    below = Paths(table.parent, paths.roots)
    for i, row in enumerate(_rows(table), start=1):
        text = {key: str(value).strip() for key, value in row.items() if key and value is not None}
        if not text.get("path"):
            raise InputRefused.of("SCENES", table, f"row {i} has no path", "Fill the column path")
        files = tuple(below.at(part.strip()) for part in text.pop("path").split(";") if part.strip())
        name, date = text.pop("name", "") or _stem(Path(files[0])), text.pop("date", "")
        own = {key: value for key, value in text.items() if key.isidentifier() and value}
        yield SceneEntry(name, files, _moment(date, f"{table} row {i}") if date else None, own)


def _rows(table: Path) -> Iterator[Mapping[str, Any]]:
    kind = table.suffix.lower()
    if kind not in (".csv", ".parquet", ".geoparquet"):
        raise InputRefused.of("SCENES", table, "is neither CSV nor GeoParquet", "Name it .csv or .parquet")
    try:
        if kind == ".csv":
            with table.open(newline="", encoding="utf-8-sig") as file:
                reader = csv.DictReader(file, strict=True)
                _need_path(table, reader.fieldnames or ())
                yield from reader
            return
        yield from _parquet(table)
    except OSError as error:
        raise InputRefused.of("SCENES", table, error.strerror or str(error), "Check the path") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputRefused.of("SCENES", table, f"is no CSV: {error}", "Correct the file") from None


def _parquet(table: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(table)
        _need_path(table, file.schema_arrow.names)
        plain = [
            f.name for f in file.schema_arrow if not pyarrow.types.is_nested(f.type) and "binary" not in str(f.type)
        ]
        for batch in file.iter_batches(columns=plain):
            yield from batch.to_pylist()
    except pyarrow.ArrowException as error:
        raise InputRefused.of("SCENES", table, f"is no Parquet: {error}", "Correct the file") from None


def _need_path(table: Path, columns: Iterable[str]) -> None:
    if "path" not in columns:
        said = ", ".join(columns) or "none"
        raise InputRefused.of("SCENES", table, f"has no column path; its columns are {said}", "Name the column path")


def _dated(entry: SceneEntry, scenes: Scenes) -> SceneEntry:
    """The scene with its date, where that is not known already and its name tells it."""
    if entry.date is not None:
        return entry
    if scenes.date is None:
        return replace(entry, date=_date_in(entry.name))
    pattern = re.sub(r"%(.)|(.)", lambda m: _directive(m, scenes.date or ""), scenes.date)
    match = re.search(rf"(?<!\d){pattern}(?!\d)", entry.name)
    try:
        moment = datetime.strptime(match[0], scenes.date) if match else None
    except ValueError:
        moment = None
    return replace(entry, date=moment and moment.replace(tzinfo=UTC))


def _directive(match: re.Match[str], whole: str) -> str:
    if match[2]:
        return re.escape(match[2])
    if match[1] not in _DIRECTIVES:
        raise UsageError.of("DATES", whole, f"%{match[1]} is not read from names", f"Known: %{' %'.join(_DIRECTIVES)}")
    return _DIRECTIVES[match[1]]


def _date_in(name: str) -> datetime | None:
    """The first day in a name, ``LC08_224078_20200518``; a name that is a year is its first day."""
    for match in _DAY.finditer(name):
        try:
            return datetime(int(match[1]), int(match[3]), int(match[4]), tzinfo=UTC)
        except ValueError:
            continue
    return datetime(int(name), 1, 1, tzinfo=UTC) if _YEAR.fullmatch(name) else None


def _moment(text: str, where: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text if len(text) != 4 else f"{text}-01-01")
    except ValueError:
        remedy = "Write it like 2020-05-18 or 2020-05-18T10:30:00Z"
        raise InputRefused.of("SCENES", where, f"{text[:60]!r} is no date", remedy) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _within(found: list[SceneEntry], scenes: Scenes) -> tuple[SceneEntry, ...]:
    """The scenes of the period that is asked for: its first and last day, month or year belong to it."""
    kept = [
        entry
        for entry in found
        if (not scenes.since or _day(entry)[: len(scenes.since)] >= scenes.since)
        and (not scenes.until or _day(entry)[: len(scenes.until)] <= scenes.until)
    ]
    if not kept:
        said = f"{scenes.since or ''}..{scenes.until or ''}"
        raise InputRefused.of("SCENES", said, f"none of {len(found)} scenes is of that time", "Check since and until")
    return tuple(kept[-scenes.last :] if scenes.last else kept)


def _day(entry: SceneEntry) -> str:
    return entry.date.strftime("%Y-%m-%d") if entry.date else ""


def _refuse_twins(found: list[SceneEntry], scenes: Scenes) -> None:
    seen: dict[str, SceneEntry] = {}
    for entry in found:
        other = seen.setdefault(entry.name, entry)
        if other is not entry:
            what = f"{other.files[0]} and {entry.files[0]} have one name"
            remedy = "Say name: folder under scenes" if scenes.name == "stem" else "Name them in a table"
            raise InputRefused.of("SCENES", entry.name, what, f"{remedy}, or list them in a table with a column name")


def _asked(scenes: Scenes) -> str:
    asked = scenes.table or scenes.catalog or (scenes.api and scenes.api.url) or scenes.glob or "paths"
    return asked if isinstance(asked, str) else ", ".join(asked)
