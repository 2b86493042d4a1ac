"""Services of a test: processes that claim what is due in one store, and write down what they got.

``python -m tests.helpers.claimers STORE OWNER COUNT WORK``: claim until COUNT slots have ended; each run is held for WORK seconds.
"""

import json
import os
import sys
import time
from datetime import timedelta

from geoseg.schedule.store import JobStore

LEASE = timedelta(seconds=60)


def claim_all(path: str, owner: str, count: int, work: float) -> None:
    with JobStore(path) as store:
        store.check_in(owner, until=timedelta(hours=1))
        while len(store.history(limit=10_000, states=["done"])) < count:
            for slot in store.due():
                lease = store.claim(slot.id, owner, lease=LEASE)
                if lease is None:
                    continue
                begun = time.monotonic()
                store.heartbeat(lease, extend=LEASE, pid=os.getpid())
                time.sleep(work)
                print(json.dumps([lease.slot.key, lease.job.name, begun, time.monotonic()]), flush=True)
                store.finish(lease, "done", exit_code=0)


if __name__ == "__main__":
    claim_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
