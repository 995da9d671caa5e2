"""PostgreSQL is the truth: Redis may forget everything at any time, and every accepted job still ends."""

from pathlib import Path

from redis.asyncio import Redis
from uuid6 import uuid7

from arqsvc.jobs.new import NewJob, insert
from arqsvc.jobs.queue import PAGE
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import pids_in


async def wipe(service: Service) -> None:
    """Empty this test's own Valkey."""
    assert service.settings.redis_url
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        await redis.flushall()


async def test_queued_jobs_survive_an_emptied_redis(api: Service) -> None:
    jobs = [await api.client.submit("test.say", {"text": str(number)}) for number in range(20)]
    await wipe(api)
    async with worker_process(api.settings):
        ended = [await api.client.result(job["id"]) for job in jobs]
    assert [job["result"]["text"] for job in ended] == [str(number) for number in range(20)]
    assert all(len(job["attempts"]) == 1 for job in ended)


async def test_a_running_job_survives_an_emptied_redis_and_runs_once(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    await pids_in(tmp_path)
    await wipe(service)
    (tmp_path / "go").touch()
    job = await service.client.result(job["id"])
    assert (job["state"], len(job["attempts"])) == ("succeeded", 1)


async def test_followers_hear_the_end_although_redis_was_emptied_under_them(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    states = []
    async for event in service.client.follow(job["id"]):
        if event["type"] == "progress":
            await wipe(service)
            (tmp_path / "go").touch()
        else:
            states.append(event["data"]["state"])
    assert states == ["queued", "running", "succeeded"]


async def test_a_delivery_that_comes_twice_runs_once(service: Service) -> None:
    job = await service.ended("test.say", {"text": "once"})
    assert service.settings.redis_url
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        await redis.zadd("arqsvc:queue:test", {f"{job['id']}:1": 1})
    other = await service.ended("test.say", {"text": "after"})
    again = await service.client.job(str(job["id"]))
    assert (again["attempt"], other["state"]) == (1, "succeeded")


async def test_a_running_job_is_in_the_ledger_alone(service: Service, tmp_path: Path) -> None:
    job = await service.client.submit("test.wait", {"folder": str(tmp_path)})
    await pids_in(tmp_path)
    assert service.settings.redis_url
    async with Redis.from_url(service.settings.redis_url.get_secret_value()) as redis:
        assert not await redis.keys("arq:*")
        assert await redis.zcard("arqsvc:queue:test") == 0
    (tmp_path / "go").touch()
    assert (await service.client.result(job["id"]))["state"] == "succeeded"


async def test_a_job_that_lost_its_place_behind_a_long_backlog_is_put_back(api: Service) -> None:
    backlog = [
        NewJob(id=uuid7(), project="x", kind="test.unserved", queue="unserved", params={}) for _ in range(PAGE + 1)
    ]
    await insert(backlog)
    job = await api.client.submit("test.say", {"text": "found"})
    assert api.settings.redis_url
    async with Redis.from_url(api.settings.redis_url.get_secret_value()) as redis:
        await redis.delete("arqsvc:queue:test")
    async with worker_process(api.settings):
        assert (await api.client.result(job["id"]))["result"] == {"text": "found"}


async def test_what_lies_in_redis_names_a_job_and_holds_no_parameters(api: Service) -> None:
    job = await api.client.submit("test.say", {"text": "confidential"})
    assert api.settings.redis_url
    async with Redis.from_url(api.settings.redis_url.get_secret_value()) as redis:
        assert await redis.zrange("arqsvc:queue:test", 0, -1) == [f"{job['id']}:1".encode()]
        assert b"confidential" not in repr(await redis.xrange("arqsvc:events")).encode()
        keys = {key.rpartition(b":")[0] if b":flow:" in key else key for key in await redis.keys("*")}
        assert keys == {b"arqsvc:events", b"arqsvc:flow:test", b"arqsvc:queue:test"}
