"""What becomes of a webhook's messages: claimed for a try, noted after it, tried again later, given up, sent anew.

A claim is a lease: a message whose sender died is due again once that has run out. Each message is in the lane of whom
it goes to, and what is claimed is bounded by lane, so that one slow receiver does not hold up others.
"""

import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from arqsvc.infra.db import rows
from arqsvc.jobs.ledger import storable
from arqsvc.jobs.webhooks import NEW_ID, PING
from arqsvc.webhooks import new_secret

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
WAITS_S = (0.0, 5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
"""Seconds before each try, from the one before: over three days."""
JITTER = 0.1
"""By which fraction a wait may be shorter or longer, so that what failed together does not come back together."""
LONGEST_WAIT_S = DAY
"""Longest time that a receiver may ask us to wait."""
LEASE_S = 45.0
"""Seconds after which a claim runs out; a try takes less."""
FAILING_S = 5 * DAY
"""Seconds without one success after which a webhook whose message was given up is disabled."""
LOOKED = 1_000
"""Messages that are due up to which a claim looks at these alone; where there are more, at each lane."""
NEWCOMER = 4
"""Tries of a project under way up to which it gets what is kept for those that have few."""
LOG_LENGTH = 50
"""Tries of a message that its log keeps, the latest."""
KEPT_S = 30 * DAY
"""Seconds for which a message is kept."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that is to be tried now."""

    id: UUID
    project: str
    lane: str
    type: str
    body: Mapping[str, Any]
    url: str | None
    """None where its webhook is gone."""
    secrets: Sequence[str]
    tries: int
    """How often it was tried before."""


@dataclass(frozen=True, slots=True)
class Try:
    """How one try went."""

    took_s: float
    status: int | None = None
    error: str | None = None
    """What was wrong; None where it was delivered."""
    answer: str = ""
    """The beginning of what came back."""
    wait_s: float | None = None
    """Seconds that the receiver asks us to wait."""
    gone: bool = False
    """Whether the receiver wants no more, ever."""


_CLAIM = f"""WITH RECURSIVE oldest AS MATERIALIZED (
    SELECT lane FROM webhook_delivery WHERE state = 'pending' AND due_at <= now() ORDER BY due_at LIMIT {LOOKED}
), walked AS (
    (SELECT lane FROM webhook_delivery WHERE state = 'pending' AND (SELECT count(*) FROM oldest) = {LOOKED}
        ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT lane FROM webhook_delivery WHERE state = 'pending' AND lane > walked.lane ORDER BY lane LIMIT 1)
    FROM walked WHERE walked.lane IS NOT NULL
), lanes AS (SELECT lane FROM oldest UNION SELECT lane FROM walked), placed AS (
    SELECT id, due_at, coalesce(($5::jsonb->>project)::int, 0)
            + row_number() OVER (PARTITION BY project ORDER BY due_at) AS place
        FROM lanes, LATERAL (
            SELECT id, project, due_at FROM webhook_delivery
            WHERE state = 'pending' AND lane = lanes.lane AND due_at <= now() ORDER BY due_at
            LIMIT least($1, greatest(0, $2 - coalesce(($3::jsonb->>lanes.lane)::int, 0))) FOR UPDATE SKIP LOCKED
        ) one
), due AS (
    SELECT id FROM (SELECT id, place, row_number() OVER (ORDER BY place, due_at) AS turn FROM placed WHERE place <= $4)
        ranked
    WHERE turn <= CASE WHEN place <= {NEWCOMER} THEN $1 ELSE $1 - $7 END
), claimed AS (
    UPDATE webhook_delivery SET due_at = now() + make_interval(secs => $6) FROM due
    WHERE webhook_delivery.id = due.id RETURNING webhook_delivery.*
)
SELECT claimed.id, claimed.project, claimed.lane, claimed.type, claimed.body, claimed.tries,
    coalesce(claimed.url, webhook.url) AS url, coalesce(webhook.secret, own.secret) AS secret,
    CASE WHEN coalesce(webhook.old_until, own.old_until) > now() THEN coalesce(webhook.old_secret, own.old_secret) END
        AS old_secret
FROM claimed LEFT JOIN webhook ON webhook.id = claimed.webhook_id
    LEFT JOIN webhook_secret own ON claimed.webhook_id IS NULL AND own.project = claimed.project"""


async def claim(
    most: int, *, a_lane: int, busy: Mapping[str, int], a_project: int, busy_projects: Mapping[str, int], kept: int
) -> list[Delivery]:
    """Return messages that are due, for this process to try within `LEASE_S`.

    First come those of projects of which the fewest are being tried, and among them the oldest.

    Args:
        most: how many, in all.
        a_lane: how many of one lane this process may try at a time.
        busy: how many of each lane it tries now.
        a_project: how many of one project it may try at a time.
        busy_projects: how many of each project it tries now.
        kept: how many of `most` are for projects that have no more than `NEWCOMER` under way.
    """
    found = await rows(_CLAIM, [most, a_lane, json.dumps(busy), a_project, json.dumps(busy_projects), LEASE_S, kept])
    return [
        Delivery(
            row["id"], row["project"], row["lane"], row["type"], json.loads(row["body"]), row["url"],
            [secret for secret in (row["secret"], row["old_secret"]) if secret], row["tries"],
        )
        for row in found
    ]  # fmt: skip


async def note(delivery: Delivery, tried: Try) -> str | None:
    """Write how a try went, and what follows from it; returns why its webhook was disabled, if it was.

    Nothing changes where the message was claimed again since, sent anew, or deleted.
    """
    wait_s = next_wait_s(delivery, tried)
    state = "delivered" if tried.error is None else "failed" if wait_s is None else "pending"
    entry = {
        "at": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "took_s": round(tried.took_s, 3),
        "status": tried.status, "error": tried.error, "answer": tried.answer,
    }  # fmt: skip
    found = await rows(
        """WITH noted AS (
            UPDATE webhook_delivery SET state = $3::text, tries = tries + 1,
                log = CASE WHEN jsonb_array_length(log) >= $9 THEN log - 0 ELSE coalesce(log, '[]') END || $5::jsonb,
                due_at = now() + make_interval(secs => $4), finished_at = CASE WHEN $3::text <> 'pending' THEN now() END
            WHERE id = $1 AND state = 'pending' AND tries = $2 RETURNING webhook_id
        ), webhooked AS (
            UPDATE webhook SET
                failing_since = CASE WHEN $3::text <> 'delivered' THEN coalesce(failing_since, now()) END,
                disabled_at = CASE WHEN $6 OR ($7 AND failing_since < now() - make_interval(secs => $8))
                    THEN coalesce(disabled_at, now()) ELSE disabled_at END,
                disabled_reason = CASE WHEN disabled_at IS NOT NULL THEN disabled_reason
                    WHEN $6 THEN 'The receiver answered 410, Gone.'
                    WHEN $7 AND failing_since < now() - make_interval(secs => $8)
                    THEN 'Nothing could be delivered since ' || to_char(failing_since AT TIME ZONE 'UTC', 'YYYY-MM-DD')
                        || '.' END
            FROM noted WHERE webhook.id = noted.webhook_id AND (failing_since IS NOT NULL OR $3::text <> 'delivered')
            RETURNING webhook.id, disabled_at, disabled_reason
        ) SELECT id, disabled_reason FROM webhooked WHERE disabled_at IS NOT NULL""",
        [
            delivery.id, delivery.tries, state, wait_s, storable(json.dumps([entry])),
            tried.gone, state == "failed" and delivery.type != PING, FAILING_S, LOG_LENGTH,
        ],
    )  # fmt: skip
    if not found:
        return None
    await _give_up(found[0]["id"], found[0]["disabled_reason"])
    return str(found[0]["disabled_reason"])


def next_wait_s(delivery: Delivery, tried: Try) -> float | None:
    """Return the seconds until a message is tried again; None once it is delivered or given up."""
    number = delivery.tries + 1
    if tried.error is None or tried.gone or delivery.type == PING or number >= len(WAITS_S):
        return None
    wait_s = WAITS_S[number] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
    return max(wait_s, min(tried.wait_s or 0.0, LONGEST_WAIT_S))


async def put_off(lane: str, wait_s: float) -> None:
    """Try nothing of a lane for so many seconds: its receiver asks us to wait."""
    await rows(
        """WITH later AS (UPDATE webhook_delivery SET due_at = now() + make_interval(secs => $2)
            WHERE state = 'pending' AND lane = $1 AND due_at < now() + make_interval(secs => $2) RETURNING id)
        SELECT count(*) FROM later""",
        [lane, min(wait_s, LONGEST_WAIT_S)],
    )


async def _give_up(webhook: UUID, reason: str) -> None:
    """End all messages that wait for a webhook; they can be sent anew once it is enabled."""
    await rows(
        """WITH ended AS (UPDATE webhook_delivery SET state = 'failed', due_at = NULL, finished_at = now(),
            log = coalesce(log, '[]') || $2::jsonb
            WHERE state = 'pending' AND lane = $1 AND type <> $3 RETURNING id) SELECT count(*) FROM ended""",
        [
            str(webhook),
            json.dumps([{
                "at": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "took_s": 0, "status": None,
                "error": f"Not tried: the webhook was disabled. {reason}", "answer": "",
            }]),
            PING,
        ],
    )  # fmt: skip


async def ping(webhook: UUID, project: str) -> UUID:
    """Write a message that says nothing, to see whether a webhook works; it is tried once, even if that is disabled."""
    body = {
        "type": PING, "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"), "data": {"id": str(webhook)},
    }  # fmt: skip
    (made,) = await rows(
        f"""WITH made AS (
            INSERT INTO webhook_delivery (id, webhook_id, project, lane, type, body, state, due_at, created_at)
            VALUES ({NEW_ID}, $1, $2, $1::uuid::text, $3, $4::jsonb, 'pending', now(), now()) RETURNING id
        ) SELECT id FROM made""",
        [webhook, project, PING, json.dumps(body)],
    )
    return UUID(str(made["id"]))


async def redeliver(delivery: UUID) -> bool:
    """Send a message anew, with its id and its whole schedule; False where its webhook is disabled."""
    return bool(
        await rows(
            """WITH again AS (
                UPDATE webhook_delivery SET state = 'pending', tries = 0, due_at = now(), finished_at = NULL
                WHERE id = $1 AND (webhook_id IS NULL OR EXISTS (SELECT FROM webhook
                    WHERE webhook.id = webhook_id AND (disabled_at IS NULL OR type = $2))) RETURNING id
            ) SELECT id FROM again""",
            [delivery, PING],
        )
    )


async def project_secret(project: str) -> Mapping[str, Any]:
    """Return `secret, old_secret, old_until` of a project; the first to ask makes the secret."""
    await rows(
        """WITH made AS (INSERT INTO webhook_secret (project, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING
            RETURNING project) SELECT project FROM made""",
        [project, new_secret()],
    )
    (found,) = await rows("SELECT secret, old_secret, old_until FROM webhook_secret WHERE project = $1", [project])
    return found


async def forget_old(limit: int) -> int:
    """Delete messages that ended long ago, at most `limit`; their ids, of version 7, say when. Returns how many."""
    before = UUID(int=int((time.time() - KEPT_S) * 1000) << 80)
    (found,) = await rows(
        """WITH old AS (DELETE FROM webhook_delivery WHERE id IN (
            SELECT id FROM webhook_delivery WHERE id < $1 AND state <> 'pending' ORDER BY id LIMIT $2) RETURNING id)
        SELECT count(*) AS n FROM old""",
        [before, limit],
    )
    return int(found["n"])
