"""Figure: what a bundle holds does not depend on how a user has set up matplotlib."""

from pathlib import Path

import matplotlib as mpl

from geoseg.training.fitting.curves import draw_curves


def test_a_drawing_is_the_same_whatever_the_users_settings(tmp_path: Path) -> None:
    lines = [{"step": step, "loss": 1 / step, "learning_rate": 0.1} for step in range(1, 5)]
    draw_curves(lines, tmp_path / "plain.png")
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "savefig.pad_inches": 1}):
        draw_curves(lines, tmp_path / "other.png")
        assert mpl.rcParams["font.size"] == 20  # and is left as it was
    assert (tmp_path / "plain.png").read_bytes() == (tmp_path / "other.png").read_bytes()
