"""Upload and download over HTTP."""

import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from arqsvc.api.keys import KeyKind, create_secret
from arqsvc.jobs.files import FileRecord
from tests.service import Service

CONTENT = bytes(range(256)) * 5000


def incoming(api: Service) -> list[Path]:
    return list((api.settings.storage / "incoming").iterdir())


async def test_a_raw_body_and_a_form_become_the_same_content_stored_once(api: Service) -> None:
    raw = await api.http.post("/files?name=a%20b.gb", content=CONTENT)
    form = await api.http.post("/files", files={"file": ("c.gb", CONTENT)}, data={"note": "ignored"})
    header = await api.http.post(
        "/files", content=CONTENT, headers={"Content-Disposition": 'attachment; filename="d.gb"'}
    )
    found = [answer.json() for answer in (raw, form, header)]
    assert [answer.status_code for answer in (raw, form, header)] == [201, 201, 201]
    assert [file["name"] for file in found] == ["a b.gb", "c.gb", "d.gb"]
    assert {file["sha256"] for file in found} == {hashlib.sha256(CONTENT).hexdigest()}
    assert len({file["id"] for file in found}) == 3
    assert raw.headers["location"] == found[0]["href"]
    assert len([path for path in (api.settings.storage / "sha256").rglob("*") if path.is_file()]) == 1
    assert incoming(api) == []


async def test_a_file_comes_back_whole_in_parts_and_not_at_all_when_known(api: Service) -> None:
    file = (await api.http.post("/files?name=x.html", content=CONTENT)).json()
    whole = await api.http.get(f"/files/{file['id']}")
    assert whole.content == CONTENT
    digest = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
    assert whole.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert whole.headers["content-security-policy"] == "sandbox"
    assert whole.headers["accept-ranges"] == "bytes"
    part = await api.http.get(f"/files/{file['id']}", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(CONTENT)}"
    end = await api.http.get(f"/files/{file['id']}", headers={"Range": "bytes=-5"})
    assert (end.status_code, end.content) == (206, CONTENT[-5:])
    beyond = await api.http.get(f"/files/{file['id']}", headers={"Range": "bytes=99999999-"})
    assert beyond.status_code == 416
    for tag in (whole.headers["etag"], f"W/{whole.headers['etag']}", f'"other", {whole.headers["etag"]}', "*"):
        known = await api.http.get(f"/files/{file['id']}", headers={"If-None-Match": tag})
        assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b", "a\\b", ".hidden", "a\nb", "x" * 256])
async def test_a_name_that_leads_elsewhere_is_refused(api: Service, name: str) -> None:
    answer = await api.http.post("/files", params={"name": name}, content=b"x")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/name")
    assert incoming(api) == []


async def test_a_form_without_a_file_or_with_two_is_refused(api: Service) -> None:
    two = [("file", ("a", b"x")), ("file", ("b", b"y"))]
    assert (await api.http.post("/files", files=two)).status_code == 422
    assert (await api.http.post("/files", files={"note": (None, b"x")})).status_code == 422
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert (await api.http.post("/files", content=b"rubbish", headers=broken)).status_code == 422
    for empty in (await api.http.post("/files?name=a"), await api.http.post("/files", files={"file": ("a", b"")})):
        assert empty.status_code == 422
        assert empty.json()["detail"].startswith("The file is empty.")
    assert incoming(api) == []


async def test_a_form_without_an_end_or_a_boundary_is_no_file(api: Service) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.gb"\r\n\r\nLOCUS\r\n--x--\r\n'
    for kind, cut in (("; boundary=x", -4), ("; boundary=x", -9), ("", None), ("; boundary=", None)):
        headers = {"Content-Type": f"multipart/form-data{kind}"}
        answer = await api.http.post("/files", content=form[:cut], headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_params"), (kind, cut)
    assert (await api.http.get("/files")).json()["items"] == []
    assert incoming(api) == []


async def test_a_header_names_a_file_in_any_characters(api: Service) -> None:
    name = {"Content-Disposition": "attachment; filename=\"e.gb\"; filename*=UTF-8''%C3%A9%20%E2%82%AC.gb"}
    assert (await api.http.post("/files", content=b"x", headers=name)).json()["name"] == "é €.gb"
    hidden = {"Content-Disposition": "attachment; filename*=utf-8''%2e%2e%2fx"}
    assert (await api.http.post("/files", content=b"x", headers=hidden)).status_code == 422


async def test_a_file_over_the_limit_is_refused_and_nothing_is_left(api: Service) -> None:
    limit = api.settings.upload_limit_bytes

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(limit // len(CONTENT) + 2):
            yield CONTENT

    form = {"note": (None, b"x" * (limit + 1_000_000)), "file": ("a", b"x")}
    for answer in (await api.http.post("/files", content=endless()), await api.http.post("/files", files=form)):
        assert (answer.status_code, answer.json()["limit_bytes"]) == (413, limit)
    assert incoming(api) == []


async def test_an_upload_that_breaks_off_leaves_nothing(api: Service) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield CONTENT
        raise ConnectionError

    with pytest.raises((ConnectionError, httpx.HTTPError)):
        await api.http.post("/files", content=broken())
    answer = await api.http.post("/files?name=whole", content=CONTENT)
    assert answer.status_code == 201
    assert incoming(api) == []


async def test_a_storage_that_cannot_be_written_is_said(api: Service) -> None:
    (api.settings.storage / "sha256").write_text("a file where the folder should be")
    answer = await api.http.post("/files", content=CONTENT)
    assert (answer.status_code, answer.json()["code"]) == (507, "out_of_space")
    assert str(api.settings.storage) not in answer.json()["detail"]


async def test_another_owners_file_is_not_there(api: Service) -> None:
    file = (await api.http.post("/files", content=CONTENT)).json()
    other = {"X-API-Key": await create_secret(KeyKind.KEY, project="other", name="other"), "Authorization": ""}
    assert (await api.http.get(f"/files/{file['id']}", headers=other)).status_code == 404
    answer = await api.http.post("/jobs/test.read", json={"params": {"file_id": file["id"]}}, headers=other)
    assert answer.status_code == 422


async def test_the_files_of_a_project_are_listed_in_pages_the_newest_first(api: Service) -> None:
    sent = [(await api.http.post(f"/files?name={name}", content=b"x")).json() for name in "abc"]
    job = (await api.client.submit("test.say", {"text": "x"}))["id"]
    await FileRecord.filter(id=sent[1]["id"]).update(job_id=job)
    first = (await api.http.get("/files?limit=2")).json()
    last = (await api.http.get("/files", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    listed = [*first["items"], *last["items"]]
    assert [(file["name"], file["size_bytes"], file["job_id"]) for file in listed] == [
        ("c", 1, None), ("b", 1, job), ("a", 1, None),
    ]  # fmt: skip
    assert last["next_cursor"] is None
    for wanted, names in (("none", "ca"), (job, "b")):
        found = (await api.http.get("/files", params={"job": wanted})).json()["items"]
        assert [file["name"] for file in found] == list(names)
    assert (await api.http.get("/files?job=some")).status_code == 422
    other = {"X-API-Key": await create_secret(KeyKind.KEY, project="other", name="other"), "Authorization": ""}
    assert (await api.http.get("/files", headers=other)).json()["items"] == []
    assert (await api.http.delete(f"/files/{sent[0]['id']}", headers=other)).status_code == 404


async def test_a_job_reads_what_was_uploaded_and_its_file_can_be_fetched(service: Service) -> None:
    file = (await service.http.post("/files?name=t.txt", content=b"text")).json()
    job = await service.ended("test.read", {"file_id": file["id"]})
    assert job["result"] == {"text": "text"}
    job = await service.ended("test.say", {"text": "published"})
    assert (await service.http.get(job["files"][0]["href"].removeprefix("/api/v1"))).content == b"published"
