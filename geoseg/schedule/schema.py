"""Schema: the tables of the job store, as the steps that lead from each version to the next."""

from __future__ import annotations

APPLICATION = 0x47534547  # "GSEG" in the file's header, so that file(1) and we know it

_FIRST = (
    """CREATE TABLE jobs (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, pipeline TEXT NOT NULL, out TEXT NOT NULL,
        cron TEXT, timezone TEXT NOT NULL, watch TEXT, catch_up TEXT NOT NULL, grace REAL NOT NULL, max_runtime REAL,
        retries INTEGER NOT NULL, overlap TEXT NOT NULL, priority INTEGER NOT NULL, keep_runs INTEGER NOT NULL,
        keep_days REAL, notify TEXT NOT NULL, paused INTEGER NOT NULL DEFAULT 0, created TEXT NOT NULL, planned TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE slots (
        id INTEGER PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, key TEXT NOT NULL,
        kind TEXT NOT NULL, due TEXT NOT NULL, not_before TEXT NOT NULL, state TEXT NOT NULL, scenes TEXT NOT NULL DEFAULT '[]',
        stop TEXT, note TEXT NOT NULL DEFAULT '', asked INTEGER NOT NULL DEFAULT 0, UNIQUE (job, key)
    ) STRICT""",
    "CREATE INDEX slots_by_state ON slots (state, not_before)",
    "CREATE INDEX slots_by_job ON slots (job, due)",
    """CREATE TABLE runs (
        id INTEGER PRIMARY KEY, slot INTEGER NOT NULL UNIQUE REFERENCES slots ON DELETE CASCADE, out TEXT NOT NULL,
        started TEXT NOT NULL, ended TEXT
    ) STRICT""",
    """CREATE TABLE attempts (
        id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, number INTEGER NOT NULL,
        owner TEXT NOT NULL, started TEXT NOT NULL, heartbeat TEXT NOT NULL, lease_until TEXT NOT NULL,
        log TEXT NOT NULL, progress TEXT NOT NULL, pid INTEGER, ended TEXT, ending TEXT, exit_code INTEGER,
        message TEXT NOT NULL DEFAULT '', UNIQUE (run, number)
    ) STRICT""",
    # Of a run one attempt lives at most: the database itself refuses a second.
    "CREATE UNIQUE INDEX one_living_attempt ON attempts (run) WHERE ending IS NULL",
    """CREATE TABLE seen (
        job INTEGER NOT NULL REFERENCES jobs ON DELETE CASCADE, key TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (job, key)
    ) STRICT, WITHOUT ROWID""",
)

_SERVICES_AND_NOTICES = (
    "CREATE TABLE services (owner TEXT PRIMARY KEY, started TEXT NOT NULL, until TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE notices (
        slot INTEGER NOT NULL REFERENCES slots ON DELETE CASCADE, key TEXT NOT NULL, at TEXT NOT NULL, text TEXT NOT NULL,
        PRIMARY KEY (slot, key)
    ) STRICT, WITHOUT ROWID""",
)

_LONG_HISTORIES = (  # a look at what is due costs no more with a hundred thousand slots that have ended
    "CREATE INDEX runs_under_way ON runs (slot) WHERE ended IS NULL",
    "CREATE INDEX slots_by_time ON slots (due, id)",
    "DROP INDEX slots_by_job",
    "CREATE INDEX slots_by_job ON slots (job, due, id, state)",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_FIRST, _SERVICES_AND_NOTICES, _LONG_HISTORIES)
"""``MIGRATIONS[n]`` leads from version n to n + 1. Steps that were released are never edited, only added to."""
