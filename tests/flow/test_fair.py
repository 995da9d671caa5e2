"""Two projects on one queue: a thousand jobs of one do not stop the one job of the other."""

from pathlib import Path
from uuid import UUID

from arqsvc.infra.redis import open_redis
from arqsvc.jobs.places import ahead
from arqsvc.jobs.queue import JobQueue
from arqsvc.jobs.record import JobRecord
from tests.flow.kinds import Say, Wait
from tests.servers import worker_process
from tests.service import Service
from tests.waiting import pids_in


async def test_one_job_of_another_project_is_next(api: Service, tmp_path: Path) -> None:
    assert api.settings.redis_url
    one = api.settings.model_copy(update={"queues": "test:1"})
    async with open_redis(api.settings.redis_url.get_secret_value()) as redis, worker_process(one):
        queue = JobQueue(redis)
        many = [Wait(folder=tmp_path), *(Say(text=str(number)) for number in range(1000))]
        first, *backlog = await queue.submit_all(many, project="other")
        await pids_in(tmp_path)
        job = await api.client.submit("test.say", {"text": "one"})
        assert (await ahead(UUID(job["id"])), sum((await ahead(backlog[-1]) or {}).values())) == ({}, 1000)
        (tmp_path / "go").touch()
        assert (await api.client.result(job["id"]))["state"] == "succeeded"
    begun = await JobRecord.filter(started_at__not_isnull=True).order_by("started_at").limit(2)
    assert [each.id for each in begun] == [first, UUID(job["id"])]
