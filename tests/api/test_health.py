"""/livez and /readyz."""

import httpx

from tests.servers import worker_process
from tests.service import Service
from tests.waiting import until


async def test_ready_means_database_redis_and_a_worker_of_each_queue(api: Service) -> None:
    async with httpx.AsyncClient(base_url=api.client.url, trust_env=False) as stranger:
        assert (await stranger.get("/livez")).status_code == 200
        answer = await stranger.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {
            "database": "ok",
            "redis": "ok",
            "migrations": "ok",
            "worker:test": "no live worker",
            "worker:unserved": "no live worker",
        }

        assert (await stranger.get("/readyz?exclude=worker")).json() == {
            "status": "ok",
            "checks": {"database": "ok", "redis": "ok", "migrations": "ok"},
        }

        async def worker_seen() -> bool:
            return bool((await stranger.get("/api/v1/readyz")).json()["checks"]["worker:test"] == "ok")

        async with worker_process(api.settings):
            await until(worker_seen)
        assert (await stranger.get("/readyz")).json()["checks"]["worker:test"] == "no live worker"
