import errno
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from geoseg.errors import InputRefused, ResourceError
from geoseg.schedule.ending import never_started


@pytest.mark.parametrize(
    ("error", "code", "passes"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 6, True),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), 6, True),
        (OSError(errno.EMFILE, "Too many open files"), 6, True),
        (FileNotFoundError(errno.ENOENT, "No such file or directory"), 1, False),
        (ValueError("embedded null byte"), 1, False),
        (ResourceError("DISK: logs: full."), 6, True),
        (InputRefused("ROOT: /etc: outside."), 3, False),
    ],
)
def test_a_run_that_could_not_be_started_is_tried_again_where_that_may_help(
    error: Exception, code: int, passes: bool
) -> None:
    job = SimpleNamespace(name="job", settings=SimpleNamespace(retries=1))
    lease: Any = SimpleNamespace(job=job, failures=0)
    ending = never_started(lease, error)
    assert (ending.outcome, ending.exit_code, ending.final) == ("failed", code, not passes)
    assert ending.retry_after == (timedelta(minutes=1) if passes else None)
    lease.failures = 1
    assert never_started(lease, error).final
