"""Content that nothing names: it goes with the last file of it, and what was too young then is found by a walk."""

import logging
import time
from collections.abc import Collection

from arqsvc.infra.db import alone, rows, searched
from arqsvc.infra.storage import DISCARD_S, PARTS, Storage
from arqsvc.infra.supervise import every

logger = logging.getLogger(__name__)

SWEEP_S = 60.0
"""Seconds between two goes of the walk; each looks at one part of storage, so that all takes some four hours."""
PAGE = 1000
"""Contents that one statement looks for."""
CLOCKS_S = 3600.0
"""How far the clocks of the database and of storage may be apart."""
_SWEEP_LOCK = 0x61727163


async def named_no_more(contents: Collection[str]) -> list[str]:
    """Return those of these contents, by their SHA-256, that no table names.

    What names content says so by the name of its column, `sha256`: a family that keeps content beside files writes it
    into such a column of its own table, and nobody has to know of it, or can forget to say so.
    """
    columns = await searched(
        """SELECT format('%I.%I', table_schema, table_name) AS place FROM information_schema.columns
        WHERE column_name = 'sha256' AND data_type IN ('character varying', 'text')
            AND table_schema NOT IN ('information_schema', 'pg_catalog')"""
    )
    unnamed = " AND ".join(
        f"NOT EXISTS (SELECT FROM {each['place']} named WHERE named.sha256 = content.sha256)" for each in columns
    )
    found = await searched(
        f"SELECT content.sha256 FROM unnest($1::text[]) AS content(sha256) WHERE {unnamed}", [list(contents)]
    )
    return [row["sha256"] for row in found]


async def discard(contents: Collection[str], storage: Storage) -> int:
    """Remove from storage those of these contents that nothing names; returns how many.

    What was stored, or named anew, within the last day stays, and within the time of the longest attempt that runs:
    a job names what it has published when it ends.
    """
    kept_s = await _kept_s()  # before it is asked what is named: a job may end between the two
    return sum([await storage.discard(sha256, kept_s) for sha256 in await named_no_more(contents)])


async def _kept_s() -> float:
    (found,) = await rows(
        """SELECT extract(epoch FROM now() - min(attempted_at))::float8 AS longest_s FROM job WHERE state = 'running'"""
    )
    return max(DISCARD_S, (found["longest_s"] or 0.0) + CLOCKS_S)


async def sweep(storage: Storage, part: int) -> int:
    """Remove what nothing names from one part of storage, see `discard`; returns how many contents."""
    old, removed = await storage.untouched(part), 0
    for first in range(0, len(old), PAGE):
        removed += await discard(old[first : first + PAGE], storage)
    if removed:
        logger.info("content removed that nothing named", extra={"part": part, "contents": removed})
    return removed


async def sweep_on(storage: Storage) -> None:
    """Sweep part after part until cancelled, one process at a time; which part is next is told by the clock."""

    async def go() -> None:
        async with alone(_SWEEP_LOCK) as first:
            if first:
                await sweep(storage, int(time.time() // SWEEP_S) % PARTS)

    await every(SWEEP_S, go)
