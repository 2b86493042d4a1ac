"""Fixtures and settings of all tests."""

import logging
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parent.parent

# The same examples on every run, and no limit of time for one: a busy machine is not a failure.
hypothesis.settings.register_profile("geoseg", deadline=None, derandomize=True, max_examples=60)
hypothesis.settings.load_profile("geoseg")


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real scenes and bad files that lies beside a developer's checkout; skips where it does not."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("../shared (real scenes and bad files) is not here")
    return folder


@pytest.fixture(scope="session")
def sample() -> Path:
    """samples/north_carolina: a real scene and labels."""
    folder = ROOT / "samples" / "north_carolina"
    if not folder.is_dir():
        pytest.skip("samples/ is not here: not a checkout")
    return folder


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """A command leaves its level and its handler, of a stream that is closed since, to no other test."""
    logger = logging.getLogger("geoseg")
    level, handlers = logger.level, logger.handlers[:]
    yield
    logger.setLevel(level)
    logger.handlers[:] = handlers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked ``gpu`` where there is no CUDA device; torch is imported only when something asks."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
