"""The documentation: every command that is shown runs, or at least is one; links lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.helpers import markdown as pages
from tests.helpers.stages import STAGES, set_stage

ROOT = Path(__file__).parents[2]
PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.relative_to(ROOT).parts[:2] not in (("docs", "reference"), ("docs", "_build"))
}
LANGUAGES = {"", "sh", "bash", "python", "yaml", "json", "csv", "ini", "text", "xml", "slurm", "toml"}
WAYS = {"elsewhere"}
UNTIL = {"README.md": "## Change between dates"}  # the rest with its figures: tests/cli/test_readme.py


@pytest.mark.parametrize("name", PAGES)
def test_blocks_are_of_a_known_kind_and_commands_exist(name: str) -> None:
    for block in pages.blocks(PAGES[name]):
        where = f"{name}:{block.line}"
        assert block.language in LANGUAGES or block.language.startswith("{"), where
        if block.language in ("sh", "bash", ""):
            assert set(block.words) <= WAYS, where
            for line in pages.commands(block.text):
                if line.startswith("geoseg "):
                    pages.check(line)
        elif block.language == "python":
            assert set(block.words) <= WAYS, where
            compile(block.text, where, "exec")


@pytest.mark.parametrize("name", PAGES)
def test_commands_within_text_exist(name: str) -> None:
    for span in pages.spans(PAGES[name]):
        pages.check_span(span)


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files(name: str) -> None:
    page = PAGES[name]
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:")):
            reference = target.startswith(("reference/", "../reference/"))  # made from geoseg itself
            there = reference or (page.parent / target).exists()
            assert there, f"{name}: {target}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_begins_on_a_stage_that_there_is(name: str) -> None:
    assert set(pages.stages(PAGES[name])) <= set(STAGES)


def test_what_is_no_command_is_found() -> None:
    pages.check("geoseg segment scene.tif out/ --bundle bundle/ --tta  # words")
    for wrong in ("geoseg segmnt scene.tif", "geoseg area mask.tif --zons d.gpkg", "geoseg plan --bundle b/",
                  "geoseg synth land/ --size large"):  # fmt: skip
        with pytest.raises(AssertionError, match="geoseg"):
            pages.check(wrong)
    pages.check_span("geoseg jobs add NAME --cron")
    for wrong in ("geoseg jbs add", "geoseg area MASK --zons"):
        with pytest.raises(AssertionError):
            pages.check_span(wrong)


def test_lines_of_a_block_are_told_apart() -> None:
    text = "# first\ngeoseg a \\\n  b\n\ncat > f <<'E'\none\nE\ngeoseg c\n"
    assert list(pages.commands(text)) == ["geoseg a    b", "cat > f <<'E'\none\nE", "geoseg c"]


def runs(block: pages.Block) -> bool:
    return not block.elsewhere and block.language in ("sh", "bash", "python")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, page in PAGES.items() if any(map(runs, pages.blocks(page)))])
def test_every_command_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEOSEG_STORE", str(tmp_path / "jobs.db"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    set_stage(pages.stages(PAGES[name]), tmp_path)
    monkeypatch.chdir(tmp_path)
    pages.do(PAGES[name], UNTIL.get(name, ""))
