"""Errors travel between processes, say one line, and carry the exit codes of the contract."""

import pickle

import pytest

from geoseg import errors
from geoseg.errors import GeosegError

EXIT_CODES = {
    "GeosegError": 1,
    "UsageError": 2,
    "InputRefused": 3,
    "Conflict": 4,
    "BundleError": 5,
    "ResourceError": 6,
    "ClusterLost": 7,
    "DoneInPart": 8,
    "Interrupted": 130,
    "Terminated": 143,
}


def every(kind: type[GeosegError] = GeosegError) -> list[type[GeosegError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in every(child))]


OURS = [kind for kind in every() if kind.__module__ == errors.__name__]


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {kind.__name__: kind.exit_code for kind in OURS} == EXIT_CODES


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_survives_pickling(kind: type[GeosegError], protocol: int) -> None:
    error = kind.of("NO_CRS", "scene.tif", "has no CRS", "Add --assume-crs EPSG:...")
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is kind
    assert str(again) == str(error)
    assert again.code == "NO_CRS"


def test_a_message_is_one_line_with_one_full_stop() -> None:
    error = GeosegError.of("READ", "a b.tif", "broke\n  at row 5.", "Copy it\nagain.")
    assert str(error) == "READ: a b.tif: broke at row 5. Copy it again."


def test_a_remedy_ends_with_a_full_stop() -> None:
    assert str(GeosegError.of("NO_CRS", "a.tif", "has no CRS", "Add one")) == "NO_CRS: a.tif: has no CRS. Add one."


def test_a_message_without_remedy_ends_with_its_reason() -> None:
    assert str(GeosegError.of("READ", "a.tif", "broke")) == "READ: a.tif: broke."


@pytest.mark.parametrize("kind", [errors.UsageError, errors.InputRefused, errors.BundleError])
def test_what_is_wrong_with_a_value_is_also_a_value_error(kind: type[GeosegError]) -> None:
    assert issubclass(kind, ValueError)
