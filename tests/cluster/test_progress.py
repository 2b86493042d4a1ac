from pathlib import Path

import pytest

from geoseg.cluster.journal import Receipt
from geoseg.cluster.run import Progress, to_file

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_progress_on_a_full_disk_is_lost_and_not_the_run(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[int] = []
    report = to_file(FULL, lambda progress: seen.append(progress.done))
    for done in (1, 2, 3):
        report(Progress("segment", Receipt("0_0", "0" * 64, (10, 10), (), {}), done, 3, 100, 1.0))
    assert seen == [1, 2, 3]
    assert [record.getMessage() for record in caplog.records] == [
        "/dev/full: progress cannot be written (No space left on device)"
    ]
