"""Who may ask: keys, one-time links, sessions."""

from datetime import timedelta

import httpx
import pytest

from arqsvc.api.gate import COOKIE
from arqsvc.api.keys import KeyKind, KeyRecord, create_secret
from tests.service import Service


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
    link = await create_secret(KeyKind.LINK, project="tester", name="browser", life=timedelta(minutes=1))
    async with httpx.AsyncClient(base_url=api.client.url, trust_env=False) as browser:
        assert (await browser.head("/login", params={"token": link})).status_code == 405
        answer = await browser.get("/login", params={"token": link})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        assert (await browser.get("/api/v1/jobs")).status_code == 200
    async with httpx.AsyncClient(base_url=api.client.url, trust_env=False) as second:
        answer = await second.get("/login", params={"token": link})
        assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
        assert (await second.get("/login")).status_code == 401


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({}, False),
    ],
)
async def test_another_sites_page_cannot_act_with_the_cookie(
    api: Service, headers: dict[str, str], allowed: bool
) -> None:
    session = await create_secret(KeyKind.SESSION, project="tester", name="browser")
    async with httpx.AsyncClient(base_url=api.http.base_url, cookies={COOKIE: session}, trust_env=False) as browser:
        answer = await browser.post("/jobs/test.say", json={"params": {"text": "x"}}, headers=headers)
        assert answer.status_code == (202 if allowed else 403)
        assert (await browser.get("/jobs", headers=headers)).status_code == 200
