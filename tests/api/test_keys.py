"""Who may ask, how often, and from which page: keys, one-time links, sessions."""

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from arqsvc.api.gate import COOKIE, GUESSES_PER_MINUTE
from arqsvc.api.keys import BROWSER, KeyKind, KeyRecord, create_secret
from arqsvc.api.rates import Rates
from arqsvc.infra.redis import open_redis
from arqsvc.infra.supervise import supervised
from arqsvc.settings import Settings
from tests import servers
from tests.service import Service, open_service
from tests.waiting import until


async def status(api: Service, **headers: str) -> int:
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as stranger:
        return (
            await stranger.get("/jobs", headers={name.replace("_", "-"): text for name, text in headers.items()})
        ).status_code


async def test_a_key_is_taken_as_bearer_or_x_api_key_and_nothing_else_is(api: Service) -> None:
    assert await status(api, authorization=f"Bearer {api.key}") == 200
    assert await status(api, authorization=f"bearer {api.key}") == 200
    assert await status(api, x_api_key=api.key) == 200
    assert await status(api) == 401
    assert await status(api, authorization=f"Basic {api.key}") == 401
    assert await status(api, x_api_key=api.key[:-1]) == 401
    assert await status(api, cookie=f"{COOKIE}={api.key}") == 401


async def test_only_the_digest_of_a_key_is_kept(api: Service) -> None:
    stored = str(await KeyRecord.all().values())
    assert api.key not in stored
    assert len(api.key) >= 43


async def test_an_expired_key_is_refused(api: Service) -> None:
    old = await create_secret(KeyKind.KEY, project="tester", name="old", life=timedelta(seconds=-1))
    assert await status(api, x_api_key=old) == 401


async def test_a_link_opens_one_session_once(api: Service) -> None:
    link = await create_secret(
        KeyKind.LINK, project="tester", name="browser", scopes=BROWSER, life=timedelta(minutes=1)
    )
    async with httpx.AsyncClient(base_url=api.client.url, trust_env=False) as browser:
        page = await browser.get("/login")
        assert (page.status_code, "login.js" in page.text) == (200, True)
        assert "default-src 'self'" in page.headers["content-security-policy"]
        assert (await browser.get("/api/v1/session")).status_code == 401
        foreign = await browser.post("/api/v1/session", json={"token": link}, headers={"Sec-Fetch-Site": "cross-site"})
        assert foreign.status_code == 403
        answer = await browser.post("/api/v1/session", json={"token": link}, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert ("httponly" in cookie, "samesite=lax" in cookie, "path=/" in cookie) == (True, True, True)
        session = (await browser.get("/api/v1/session")).json()
        assert {**session, "used_at": None} == answer.json()
        assert (session["project"], session["kind"]) == ("tester", "session")
        assert session["scopes"] == ["cancel", "operate", "read", "submit"]
        assert (await browser.get("/api/v1/jobs")).status_code == 200
        listed = (await api.http.get("/keys", params={"kind": "session"})).json()["items"]
        assert [one["id"] for one in listed] == [session["id"]]

        async with httpx.AsyncClient(base_url=api.client.url, trust_env=False) as second:
            answer = await second.post("/api/v1/session", json={"token": link})
            assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
            assert "was used before" in answer.json()["detail"]
            assert (await second.post("/api/v1/session", json={"token": api.key})).status_code == 401

        assert (await browser.delete("/api/v1/session")).status_code == 403
        answer = await browser.delete("/api/v1/session", headers={"Sec-Fetch-Site": "same-origin"})
        assert (answer.status_code, browser.cookies.get(COOKIE)) == (204, None)
        browser.cookies.set(COOKIE, cookie.partition("=")[2].partition(";")[0])
        assert (await browser.get("/api/v1/jobs")).status_code == 401
    assert (await api.http.delete("/session")).status_code == 409
    told = (await api.http.get("/audit")).json()["items"]
    assert [(one["action"], one["actor"], one["key_id"]) for one in told] == [
        ("session.close", "browser", session["id"]),
        ("session.open", "browser", session["id"]),
    ]


PAGES: list[tuple[dict[str, str], bool]] = [
    ({"Sec-Fetch-Site": "same-origin"}, True),
    ({"Sec-Fetch-Site": "cross-site"}, False),
    ({"Sec-Fetch-Site": "same-site"}, False),
    ({"Sec-Fetch-Site": "none"}, False),
    ({"Origin": "OWN"}, True),
    ({"Origin": "http://evil.example"}, False),
    ({"Origin": "null"}, False),
    ({"Sec-Fetch-Site": "same-origin", "Host": "evil.example"}, False),
    ({}, False),
]


async def test_another_sites_page_cannot_act_with_the_cookie(api: Service) -> None:
    session = await create_secret(KeyKind.SESSION, project="tester", name="browser")
    job = (await api.client.submit("test.unserved", {}))["id"]
    sockets = f"{api.client.url.replace('http', 'ws')}/api/v1/jobs/{job}/events"
    async with httpx.AsyncClient(base_url=api.http.base_url, cookies={COOKIE: session}, trust_env=False) as browser:
        for said, allowed in PAGES:
            headers = {name: api.client.url if value == "OWN" else value for name, value in said.items()}
            refused = 421 if "Host" in said else 403
            answer = await browser.post("/jobs/test.say", json={"params": {"text": "x"}}, headers=headers)
            assert answer.status_code == (202 if allowed else refused), said
            assert (await browser.get("/jobs", headers=headers)).status_code == (421 if "Host" in said else 200)
            if "Host" in said:
                continue
            opened = connect(sockets, additional_headers={**headers, "Cookie": f"{COOKIE}={session}"}, proxy=None)
            if allowed:
                async with opened as socket:
                    assert "queued" in str(await socket.recv())
            else:
                with pytest.raises(InvalidStatus, match=str(refused)):
                    await opened


async def test_the_page_and_a_session_go_by_names_of_ours_alone(settings: Settings) -> None:
    named = settings.model_copy(update={"hosts": "lab.example", "url": "https://arqsvc.example"})
    async with open_service(named) as api, httpx.AsyncClient(base_url=api.client.url, trust_env=False) as browser:
        ours = ("127.0.0.1:1", "[::1]", "10.1.2.3:8000", "LOCALHOST", "a.localhost", "lab.example:81", "lab.example.",
                "arqsvc.example", socket.gethostname())  # fmt: skip
        for host in ours:
            for path in ("/", "/login", "/app.js"):
                assert (await browser.get(path, headers={"Host": host})).status_code == 200, host
        for host in ("evil.example", "lab.example.evil", "127.0.0.1.evil.example", "[::1", "1"):
            for path in ("/", "/login", "/app.js"):
                answer = await browser.get(path, headers={"Host": host})
                assert (answer.status_code, answer.json()["code"]) == (421, "misdirected"), host
            assert (await browser.post("/api/v1/session", json={}, headers={"Host": host})).status_code == 421
        # a program with a key may come by any name, and who looks whether we live needs none
        assert (await api.http.get("/jobs", headers={"Host": "evil.example"})).status_code == 200
        assert (await browser.get("/livez", headers={"Host": "evil.example"})).status_code == 200


async def test_other_origins_read_only_what_they_are_opened_to_and_never_with_a_cookie(settings: Settings) -> None:
    asks = {"Origin": "https://lab.example", "Access-Control-Request-Method": "POST"}
    asks["Access-Control-Request-Headers"] = "authorization,content-type"
    async with open_service(settings) as api:
        answer = await api.http.options("/jobs", headers=asks)
        assert answer.status_code == 405
        answers = [answer, await api.http.get("/jobs", headers={"Origin": "https://lab.example"})]
        assert not [name for each in answers for name in each.headers if name.startswith("access-control")]
    async with open_service(settings.model_copy(update={"cors_origins": "https://lab.example"})) as api:
        answer = await api.http.options("/jobs/test.say", headers=asks)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://lab.example")
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        answer = await api.http.get("/jobs/none", headers={"Origin": "https://lab.example"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (404, "https://lab.example")
        assert "RateLimit" in answer.headers["access-control-expose-headers"]
        answers.append(answer)
        assert not [each for each in answers if "access-control-allow-credentials" in each.headers]
        answer = await api.http.get("/jobs", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in answer.headers


async def test_a_key_is_made_used_rotated_and_revoked(api: Service) -> None:
    wanted = {"name": "script", "project": "lab", "scopes": ["read", "submit"], "expires_in_s": 3600, "per_minute": 50}
    answer = await api.http.post("/keys", json=wanted)
    made = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/api/v1/keys/{made['id']}")
    assert made["secret"].startswith(made["prefix"])
    assert (made["project"], made["scopes"], made["per_minute"]) == ("lab", ["read", "submit"], 50)
    assert made["used_at"] is None
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as http:
        own = await http.get("/keys/self", headers={"X-API-Key": made["secret"]})
        assert {**own.json(), "used_at": None} == {name: made[name] for name in made if name != "secret"}
        assert own.headers["ratelimit-policy"] == '"default";q=50;w=60'

        async def used() -> bool:
            (one,) = (await api.http.get("/keys", params={"project": "lab"})).json()["items"]
            assert "secret" not in one
            return one["used_at"] is not None

        await until(used)
        rotated = (await api.http.post(f"/keys/{made['id']}/rotate", json={"overlap_s": 600})).json()
        assert {rotated[name] == made[name] for name in ("name", "project", "scopes", "per_minute")} == {True}
        assert await status(api, x_api_key=made["secret"]) == await status(api, x_api_key=rotated["secret"]) == 200
        old = (await http.get("/keys/self", headers={"X-API-Key": made["secret"]})).json()
        assert datetime.fromisoformat(old["expires_at"]) < datetime.fromisoformat(made["expires_at"])
        assert life(rotated) == life(made) == 3600
        again = await api.http.post(f"/keys/{made['id']}/rotate", json={"overlap_s": 0})
        assert (again.status_code, again.json()["successor"]) == (409, rotated["id"])
        assert await status(api, x_api_key=made["secret"]) == 200
        third = (await api.http.post(f"/keys/{rotated['id']}/rotate", json={"overlap_s": 0})).json()
        assert life(third) == 3600
        assert await status(api, x_api_key=rotated["secret"]) == 401
        assert (await api.http.post(f"/keys/{rotated['id']}/rotate")).json()["successor"] == third["id"]

        assert (await api.http.delete(f"/keys/{rotated['id']}")).status_code == 204
        assert await status(api, x_api_key=rotated["secret"]) == 401
        assert (await api.http.delete(f"/keys/{rotated['id']}")).status_code == 404
        assert (await api.http.delete("/keys/nonsense")).status_code == 404
    told = (await api.http.get("/audit")).json()["items"]
    assert [one["action"] for one in told] == ["keys.revoke", "keys.rotate", "keys.rotate", "keys.create"]
    facts = {name: made[name] for name in ("project", "name", "kind", "scopes", "per_minute", "expires_at")}
    assert told[-1]["detail"] == {"key": made["id"], **facts, "outcome": "done"}
    assert (told[-2]["target"], told[-2]["detail"]["key"], told[-2]["detail"]["overlap_s"]) == (
        made["id"], rotated["id"], 600,
    )  # fmt: skip
    assert (told[0]["target"], told[0]["detail"]["key"]) == (rotated["id"], rotated["id"])
    assert "secret" not in str(told)


def life(key: dict[str, str]) -> float:
    """Return for how many seconds a key is good, all in all."""
    end, begin = map(datetime.fromisoformat, (key["expires_at"], key["created_at"]))
    return (end - begin).total_seconds()


async def test_a_key_for_ever_is_rotated_into_one_for_ever_even_by_two_at_once(api: Service) -> None:
    made = (await api.http.post("/keys", json={"name": "script", "project": "lab"})).json()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(api.http.post(f"/keys/{made['id']}/rotate")) for _ in range(3)]
    answers = sorted((task.result() for task in tasks), key=lambda answer: answer.status_code)
    assert [answer.status_code for answer in answers] == [201, 409, 409]
    new = answers[0].json()
    assert new["expires_at"] is None
    assert {answer.json()["successor"] for answer in answers[1:]} == {new["id"]}
    there = (await api.http.get("/keys", params={"project": "lab"})).json()["items"]
    assert [key["id"] for key in there] == [new["id"], made["id"]]


async def test_keys_are_listed_in_pages_the_newest_first(api: Service) -> None:
    names = [f"key {number}" for number in range(3)]
    for name in names:
        assert (await api.http.post("/keys", json={"name": name, "project": "many"})).status_code == 201
    first = (await api.http.get("/keys", params={"project": "many", "limit": 2})).json()
    rest = (await api.http.get("/keys", params={"project": "many", "cursor": first["next_cursor"]})).json()
    assert [one["name"] for one in (*first["items"], *rest["items"])] == names[::-1]
    assert rest["next_cursor"] is None
    everybody = (await api.http.get("/keys")).json()["items"]
    assert {one["project"] for one in everybody} == {"many", "tester"}
    assert everybody[0]["scopes"] == ["cancel", "read", "submit"]


async def test_a_key_that_makes_no_sense_is_refused(api: Service) -> None:
    for wrong in (
        {"name": ""},
        {"name": "x", "project": "self"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "per_minute": -1},
        {"name": "x", "expires_in_s": 0},
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2030-01-01T00:00:00"},
        {"name": "x", "expires_in_s": 5, "expires_at": "2030-01-01T00:00:00Z"},
    ):
        answer = await api.http.post("/keys", json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params"), wrong


async def test_a_key_sends_so_many_requests_a_minute_and_is_told_what_is_left(settings: Settings) -> None:
    async with open_service(settings.model_copy(update={"requests_per_minute": 3})) as api:
        left = []
        for _ in range(3):
            answer = await api.http.get("/jobs/nonsense")
            assert (answer.status_code, answer.headers["ratelimit-policy"]) == (404, '"default";q=3;w=60')
            left.append(answer.headers["ratelimit"].split(";")[1])
        assert left == ["r=2", "r=1", "r=0"]
        answer = await api.http.get("/jobs")
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert answer.json()["type"].endswith("#quota-exceeded")
        assert answer.json()["violated-policies"] == ["default"]
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert '"default";r=0;t=' in answer.headers["ratelimit"]
        free = await create_secret(KeyKind.KEY, project="tester", name="free", per_minute=0)
        async with httpx.AsyncClient(base_url=api.http.base_url, headers={"X-API-Key": free}, trust_env=False) as http:
            for _ in range(5):
                answer = await http.get("/jobs")
                assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)


async def test_who_guesses_is_not_listened_to_and_hinders_nobody_with_a_key(api: Service, redis_url: str) -> None:
    assert (await api.http.get("/jobs")).status_code == 200
    async with httpx.AsyncClient(base_url=api.http.base_url, trust_env=False) as stranger:
        guesses = 0

        async def told_to_wait() -> bool:
            nonlocal guesses
            guesses += 1
            answer = await stranger.get("/jobs", headers={"X-API-Key": f"arqsvc_guess{guesses}"})
            assert answer.status_code in {401, 429}
            return answer.status_code == 429

        await until(told_to_wait)
        assert guesses > GUESSES_PER_MINUTE
        assert (await api.http.get("/jobs")).status_code == 200
        assert (await stranger.get("/jobs")).status_code == 401

        async def link_told_to_wait() -> bool:
            answer = await stranger.post("/session", json={"token": "guess"})
            assert answer.status_code in {401, 429}
            return answer.status_code == 429

        await until(link_told_to_wait)
        # what is right is let in from there all the same, though this process has not met it before
        new = await create_secret(KeyKind.KEY, project="tester", name="new")
        ticket = (await api.http.post("/tickets")).json()["ticket"]
        link = await create_secret(KeyKind.LINK, project="tester", name="browser", life=timedelta(minutes=1))
        assert (await stranger.get("/jobs", headers={"X-API-Key": new})).status_code == 200
        async with stranger.stream("GET", "/events", params={"ticket": ticket}) as answer:
            assert answer.status_code == 200
        assert (await stranger.post("/session", json={"token": link})).status_code == 200
        # ten times as many wrong ones in that minute, and what this process has not met is not looked up for a while
        async with Redis.from_url(redis_url) as redis:
            seconds, _ = await redis.time()
            for name in ("guesses", "lookups"):
                await redis.set(f"arqsvc:rate:{name}:127.0.0.1", (seconds + 120) * 1_000_000)
        newer = await create_secret(KeyKind.KEY, project="tester", name="newer")
        for key, answered in (("wrong", 429), (newer, 429), (new, 200)):
            assert (await stranger.get("/jobs", headers={"X-API-Key": key})).status_code == answered


async def test_a_proxy_that_is_trusted_says_who_asks_and_by_which_scheme(settings: Settings, redis_url: str) -> None:
    said = {"X-Forwarded-For": "203.0.113.7, 127.0.0.1", "X-Forwarded-Proto": "https"}
    for trusted in ("127.0.0.1", "10.0.0.0/8"):
        async with (
            open_service(settings.model_copy(update={"trusted_proxies": trusted})) as api,
            httpx.AsyncClient(base_url=api.client.url, trust_env=False) as browser,
        ):
            link = await create_secret(KeyKind.LINK, project="tester", name="browser", life=timedelta(minutes=1))
            answer = await browser.post("/api/v1/session", json={"token": link}, headers=said)
            assert ("secure" in answer.headers["set-cookie"].lower()) == (trusted == "127.0.0.1")
            info = (await browser.get("/ga4gh/wes/v1/service-info", headers=said)).json()
            assert info["documentationUrl"].partition(":")[0] == ("https" if trusted == "127.0.0.1" else "http")
            assert (await browser.get("/api/v1/jobs", headers={**said, "X-API-Key": "guess"})).status_code == 401
            async with Redis.from_url(redis_url) as redis:
                guessed = await redis.keys("arqsvc:rate:guesses:*")
                await redis.delete(*guessed)
            assert guessed == [b"arqsvc:rate:guesses:" + (b"203.0.113.7" if trusted == "127.0.0.1" else b"127.0.0.1")]


async def test_a_burst_is_counted_in_few_trips_and_without_redis_each_process_counts_by_itself(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with servers.redis(tmp_path / "redis-state") as url:
            redis = await stack.enter_async_context(open_redis(url))
            rates = Rates(redis)
            await stack.enter_async_context(supervised([("rates", rates.run)]))
            assert await rates.spend("somebody", 0) is None
            burst = await asyncio.gather(*(rates.spend(who, 300) for who in ["one", "another"] * 400))
            left = [spent.left for spent in burst if spent]
            assert (len(left), sum(one >= 0 for one in left), max(left)) == (800, 600, 299)
            assert int((await redis.info("clients"))["connected_clients"]) < 10
        spent = [await rates.spend("somebody", 2) for _ in range(3)]
        assert [one and one.left for one in spent] == [1, 0, -1]
        assert spent[-1]
        assert 29 < spent[-1].wait_s <= 30
