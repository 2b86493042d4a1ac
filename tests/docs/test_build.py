"""``make docs``: pages without a warning, that load nothing from the network and know every verb, name and setting."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import geoseg
from geoseg.cli.main import VERBS

pytestmark = pytest.mark.slow
pytest.importorskip("furo", reason="needs the extra docs")


class Assets(HTMLParser):
    """What a page loads by itself: all but what a reader clicks on."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = ("src", "srcset", "data", "poster", "href") if tag != "a" else ()
        self.found += [value for name in names if (value := given.get(name))]
        self.found += re.findall(r"url\(([^)]*)\)", given.get("style") or "")


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("docs") / "html"
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(out)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_nothing_is_loaded_from_the_network(built: Path) -> None:
    pages = sorted(built.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        parser = Assets()
        parser.feed(page.read_text("utf-8"))
        assert parser.found
        assert not [asset for asset in parser.found if re.match(r"\s*['\"]?(\w+:)?//", asset)], page
    for sheet in built.rglob("*.css"):
        text = re.sub(r"/\*.*?\*/", "", sheet.read_text("utf-8"), flags=re.S)
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", text), sheet
    for script in built.rglob("*.js"):
        assert not re.search(r"(fetch|import|importScripts)\s*\(\s*['\"`]https?://", script.read_text("utf-8")), script


def test_the_assets_of_a_page_are_files_beside_it(built: Path) -> None:
    parser = Assets()
    parser.feed((built / "index.html").read_text("utf-8"))
    local = [asset.partition("?")[0].partition("#")[0] for asset in parser.found]
    assert all((built / asset).exists() for asset in local if asset), local


def test_every_verb_has_its_section_with_its_options(built: Path) -> None:
    text = (built / "reference" / "commands.html").read_text("utf-8")
    for verb in VERBS:
        assert f'id="geoseg-{verb}"' in text, verb
    assert "--min-area" in text and "Usage: geoseg jobs add" in text


def test_every_public_name_is_there(built: Path) -> None:
    text = (built / "reference" / "python.html").read_text("utf-8")
    for name in geoseg.__all__:
        assert f"geoseg.{name}" in text, name
    assert re.search(r'id="geoseg\.segment"', text)  # with its docstring


def test_every_key_of_the_yaml_files_is_there(built: Path) -> None:
    from geoseg.pipeline.settings import Pipeline
    from geoseg.training.settings.job import TrainSettings

    for page, model in (("pipeline", Pipeline), ("training", TrainSettings)):
        text = (built / "reference" / f"{page}.html").read_text("utf-8")
        missing = [name for name in model.model_fields if f">{name}</span>" not in text]
        assert not missing, page
    text = (built / "reference" / "settings.html").read_text("utf-8")
    assert "probabilities" in text and "≥ 1" in text


def test_an_asset_on_the_network_would_be_found() -> None:
    parser = Assets()
    parser.feed('<link href="https://fonts.example/x.css"><a href="https://example.org">x</a><img src="//cdn/x.png">')
    assert parser.found == ["https://fonts.example/x.css", "//cdn/x.png"]
