"""Argmax in one pass: equal to NumPy's, for any number of classes and either layout."""

import numpy as np
import pytest

from geoseg.model import argmax
from geoseg.model.predict import classify_logits


@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", ["planes", "pixels"])
@pytest.mark.parametrize("classes", [1, 2, 3, 8, 9, 250])
def test_classes_confidence_and_finiteness_equal_the_obvious_way(classes, layout, bad):
    logits = np.round(np.random.default_rng(classes).normal(size=(2, classes, 37, 61)) * 2).astype(
        np.float32
    )  # ties too
    if bad is not None:
        logits[1, classes // 2, 3, 4] = bad
    if layout == "pixels":
        logits = np.ascontiguousarray(logits.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    found, expected = argmax.classify(logits, confidence=True), classify_logits(logits, confidence=True)
    np.testing.assert_array_equal(found.finite, expected.finite)
    np.testing.assert_array_equal(found.index[found.finite], expected.index[found.finite])
    assert found.confidence is not None
    assert expected.confidence is not None
    off = found.confidence[found.finite].astype(int) - expected.confidence[found.finite]
    assert np.abs(off).max() <= 1
