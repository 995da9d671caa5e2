"""The story of a job: the same by SSE and WebSocket, from the start or from anywhere, without a gap or a double."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from arqsvc.contract import Event, StreamEvent
from tests.service import Service
from tests.waiting import until


async def by_sse(service: Service, job: str, after: str = "") -> list[dict[str, Any]]:
    headers = {"Last-Event-ID": after} if after else {}
    async with service.http.stream("GET", f"/jobs/{job}/events", headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line async for line in answer.aiter_lines()]
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def by_websocket(service: Service, job: str, after: str = "") -> list[dict[str, Any]]:
    url = service.client.url.replace("http", "ws") + f"/api/v1/jobs/{job}/events" + (f"?after={after}" if after else "")
    async with connect(url, additional_headers={"X-API-Key": service.key}, proxy=None) as socket:
        events = [json.loads(message) async for message in socket]
        assert socket.close_code == 1000
    return events


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["state"] for event in events if event["type"] == "state"]


def steps(events: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(event["data"]["step"] for event in events if event["type"] == "progress"))


def numbers(events: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    return [tuple(int(part) for part in event["id"].split(".")) for event in events]


@pytest.mark.parametrize("transport", [by_sse, by_websocket])
async def test_a_live_follower_sees_every_state_and_every_step_in_order(service: Service, transport: Any) -> None:
    job = (await service.client.submit("test.step", {"pause_s": 0.1}))["id"]
    events = await transport(service, job)
    assert states(events) == ["queued", "running", "succeeded"]
    assert steps(events) == ["first", "second", "third"]
    assert all(one < next_ for one, next_ in pairwise(numbers(events)))
    assert all(set(event) == set(Event.model_fields) for event in events)
    assert [StreamEvent.model_validate(event).root.type for event in events] == [event["type"] for event in events]
    assert all(event["tags"] == {} for event in events)
    progress = [event["data"] for event in events if event["type"] == "progress"]
    assert progress[-1] == {"step": "third", "done": 149, "total": 150, "unit": "pieces", "fraction": 149 / 150}
    assert len(progress) < 30


@pytest.mark.parametrize("transport", [by_sse, by_websocket])
async def test_a_follower_that_comes_back_hears_only_what_it_missed(service: Service, transport: Any) -> None:
    job = await service.ended("test.step", {})
    whole = await transport(service, job["id"])
    assert states(whole) == ["queued", "running", "succeeded"]
    for place, event in enumerate(whole[:-1]):
        assert await transport(service, job["id"], event["id"]) == whole[place + 1 :]


async def test_both_transports_and_many_followers_tell_the_same_states(service: Service) -> None:
    job = (await service.client.submit("test.step", {"pause_s": 0.05}))["id"]
    async with asyncio.TaskGroup() as group:
        followers = [
            group.create_task(transport(service, job)) for transport in (by_sse, by_websocket) for _ in range(5)
        ]
    for follower in followers:
        assert states(follower.result()) == ["queued", "running", "succeeded"]
        assert steps(follower.result()) == ["first", "second", "third"]


async def test_a_stream_that_has_nothing_more_to_tell_says_so(service: Service) -> None:
    job = await service.ended("test.say", {"text": "x"})
    assert await by_websocket(service, job["id"], "3") == []
    answer = await service.http.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": "3"})
    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("after", ["yesterday", "4", "99999999999", "-1", "1.x", "1" * 40])
async def test_an_event_id_that_is_none_of_the_job_is_refused(service: Service, after: str) -> None:
    job = await service.ended("test.say", {"text": "x"})
    answer = await service.http.get(f"/jobs/{job['id']}/events", params={"after": after})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params")
    assert after[:30] in answer.json()["detail"]


async def test_a_client_that_leaves_is_followed_no_more(api: Service) -> None:
    job = (await api.client.submit("test.unserved", {}))["id"]
    url = api.client.url.replace("http", "ws") + f"/api/v1/jobs/{job}/events"
    async with connect(url, additional_headers={"X-API-Key": api.key}, proxy=None) as socket:
        assert json.loads(await socket.recv())["data"]["state"] == "queued"
        async with api.http.stream("GET", f"/jobs/{job}/events") as answer:
            assert await anext(answer.aiter_lines())
            assert api.hub.followed == 1
    await until(lambda: api.hub.followed == 0)


async def test_a_stranger_hears_nothing(service: Service) -> None:
    job = await service.ended("test.say", {"text": "x"})
    async with httpx.AsyncClient(base_url=service.http.base_url, trust_env=False) as stranger:
        assert (await stranger.get(f"/jobs/{job['id']}/events")).status_code == 401


async def test_the_last_progress_stays_with_an_ended_job(service: Service) -> None:
    job = await service.ended("test.step", {})
    assert job["progress"] == {"step": "third", "done": 149, "total": 150, "unit": "pieces", "fraction": 149 / 150}
