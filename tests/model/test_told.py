"""A card's scores as rows: figures with their intervals, comparisons, tables by class, and whatever another maker wrote."""

from geoseg.model.told import score_rows


def test_a_figure_is_told_with_its_interval_and_what_the_largest_class_alone_reaches() -> None:
    scores = {
        "baseline": {
            "better": True,
            "kappa": {"network": 0.51, "baseline": 0.48, "difference": {"value": 0.03, "low": 0.01, "high": 0.05}},
        },
        "held_out": {
            "of": "the test part", "pixels": 12345, "iou": {"water": 0.25, "tree": None},
            "kappa": {"value": 0.51, "low": 0.4, "high": 0.6, "largest_class": 0.0},
            "macro_f1": {"value": 0.6, "low": None, "high": None, "largest_class": None},
        },
        "mean_of_folds": {"kappa": 0.5},
    }  # fmt: skip
    assert score_rows(scores) == [
        ("of", "the test part"),
        ("pixels", "12,345"),
        ("iou", "water 0.250, tree -"),
        ("kappa", "0.510 (0.400 to 0.600); largest class alone 0.000"),
        ("macro f1", "0.600"),
        ("mean of folds", "kappa 0.500"),
        ("baseline: better", "yes"),
        ("baseline: kappa", "network 0.510, baseline 0.480, difference 0.030 (0.010 to 0.050)"),
    ]


def test_scores_of_another_maker_are_told_as_they_are() -> None:
    assert score_rows({"iou": 0.5, "site": {"city": "Bonn", "n": [1]}, "empty": {}}) == [
        ("iou", "0.500"), ("site: city", "Bonn")
    ]  # fmt: skip
    assert score_rows({}) == []
