"""What a client sees of each fault."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import md5
from io import BytesIO
from time import monotonic
from zipfile import BadZipFile, ZipFile

import httpx
import pytest

from tests.mirror import faults
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import PACKAGED, Records
from tests.waiting import until

GENBANK = gzip.decompress(PACKAGED.read_bytes())
FETCH = {"db": "nuccore", "id": "NC_000932.1", "rettype": "gbwithparts", "retmode": "text"}
FOLDER = "/all/GCF/000/000/932/GCF_000000932.1_ASM93v1"
GBFF = f"{FOLDER}/GCF_000000932.1_ASM93v1_genomic.gbff.gz"
MEMBER = "ncbi_dataset/data/GCF_000000932.1/genomic.gbff"


class Client:
    """A client of the three services."""

    def __init__(self, http: httpx.AsyncClient, mirror: Mirror) -> None:
        self.http = http
        self.mirror = mirror

    async def efetch(self) -> httpx.Response:
        return await self.http.get(f"{self.mirror.eutils_url}/efetch.fcgi", params=FETCH)

    async def file(self, **headers: str) -> httpx.Response:
        return await self.http.get(f"{self.mirror.genomes_url}{GBFF}", headers=headers)

    async def package(self) -> httpx.Response:
        address = f"{self.mirror.datasets_url}/genome/accession/GCF_000000932.1/download"
        return await self.http.get(address, params={"include_annotation_type": "GENOME_GBFF"})

    async def until_it_broke(self, address: str) -> bytes:
        """Return what came before the connection did what it must not."""
        received = bytearray()

        async def receive() -> None:
            async with self.http.stream("GET", address, params=FETCH) as response:
                async for piece in response.aiter_raw():
                    received.extend(piece)

        with pytest.raises(httpx.RemoteProtocolError):
            await receive()
        return bytes(received)


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror(Records.packaged()) as mirror:
        yield mirror


@pytest.fixture
async def client(mirror: Mirror) -> AsyncIterator[Client]:
    async with httpx.AsyncClient(trust_env=False, headers={"Accept-Encoding": "identity"}) as http:
        yield Client(http, mirror)


def members(package: bytes) -> dict[str, bytes]:
    with ZipFile(BytesIO(package)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


async def test_faults_are_used_up_in_order_by_the_requests_they_are_for(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.status(500), path="efetch", times=2)
    mirror.fail(faults.status(503), path="efetch")
    mirror.fail(faults.status(404), path="rettype=fasta", times=None)
    assert (await client.file()).status_code == 200
    assert [(await client.efetch()).status_code for _ in range(4)] == [500, 500, 503, 200]
    fasta = {**FETCH, "rettype": "fasta"}
    address = f"{mirror.eutils_url}/efetch.fcgi"
    assert [(await client.http.get(address, params=fasta)).status_code for _ in range(3)] == [404, 404, 404]
    assert [seen.fault for seen in mirror.requests[:3]] == [None, "status_500", "status_500"]
    mirror.mend()
    assert (await client.http.get(address, params=fasta)).status_code == 200


async def test_a_fault_for_a_time_begins_with_the_first_that_meets_it(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.status(429), path="efetch", seconds=0.2)
    assert (await client.file()).status_code == 200
    began = monotonic()
    statuses = [(await client.efetch()).status_code]
    while statuses[-1] == 429:
        statuses.append((await client.efetch()).status_code)
    assert monotonic() - began >= 0.2
    assert statuses[0] == 429


async def test_a_refusal_says_when_to_come_again(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.status(429, 7))
    mirror.fail(faults.status(503, 60, as_date=True))
    mirror.fail(faults.status(429))
    assert (await client.efetch()).headers["Retry-After"] == "7"
    date = parsedate_to_datetime((await client.efetch()).headers["Retry-After"])
    assert 55 < (date - datetime.now(UTC)).total_seconds() <= 60
    plain = await client.efetch()
    assert "Retry-After" not in plain.headers
    assert plain.json()["error"] == "API rate limit exceeded"


@pytest.mark.parametrize(
    ("fault", "begins", "kind"),
    [
        (faults.error_body("text"), "+Error%3A+CEFetchPApplication", "text/plain; charset=UTF-8"),
        (faults.error_body("json"), '{"error": "API rate limit exceeded"', "application/json"),
        (faults.error_body("xml"), '<?xml version="1.0" encoding="UTF-8" ?>\n<eFetchResult>\n\t<ERROR>', "text/xml"),
        (faults.maintenance(), "<!DOCTYPE html>\n<html><head><title>NCBI - Site maintenance</title>", "text/html"),
        (faults.asn1(), "Seq-entry ::= seq {", "text/plain"),
        (faults.empty(), "", "text/plain"),
    ],
)
async def test_something_else_comes_with_status_200(
    mirror: Mirror, client: Client, fault: faults.Fault, begins: str, kind: str
) -> None:
    mirror.fail(fault)
    response = await client.efetch()
    assert response.status_code == 200
    assert response.text.startswith(begins)
    assert bool(response.text) == bool(begins)
    assert response.headers["Content-Type"].startswith(kind)


async def test_a_redirect_leads_to_the_answer_and_a_loop_nowhere(mirror: Mirror, client: Client) -> None:
    client.http.follow_redirects = True
    mirror.fail(faults.redirect())
    response = await client.efetch()
    assert response.content == GENBANK
    assert response.url.path.startswith("/moved/")
    mirror.fail(faults.redirect_loop(), times=None)
    with pytest.raises(httpx.TooManyRedirects):
        await client.efetch()


async def test_another_record_comes_than_was_asked_for(mirror: Mirror, client: Client) -> None:
    mirror.records.add("NC_000001.1", GENBANK.replace(b"NC_000932", b"NC_000001"))
    mirror.records.assembly("GCF_000000001.1", "ASM1v1", ["NC_000001.1"])
    mirror.fail(faults.other_record("NC_000001.1"))
    assert (await client.efetch()).text.startswith("LOCUS       NC_000001 ")
    mirror.fail(faults.other_record("GCF_000000001.1"))
    assert "ncbi_dataset/data/GCF_000000001.1/genomic.gbff" in members((await client.package()).content)


@pytest.mark.parametrize("path", ["/entrez/eutils/efetch.fcgi", f"/genomes{GBFF}"])
async def test_a_connection_is_cut(mirror: Mirror, client: Client, path: str) -> None:
    whole = (await client.http.get(mirror.url + path, params=FETCH)).content
    mirror.fail(faults.cut(0.6))
    assert await client.until_it_broke(mirror.url + path) == whole[: int(0.6 * len(whole))]
    mirror.fail(faults.cut(1000))
    assert await client.until_it_broke(mirror.url + path) == whole[:1000]
    assert mirror.requests[-1].body_bytes == 1000


@pytest.mark.parametrize("path", ["/entrez/eutils/efetch.fcgi", f"/genomes{GBFF}"])
async def test_a_body_ends_early_and_in_order(mirror: Mirror, client: Client, path: str) -> None:
    whole = (await client.http.get(mirror.url + path, params=FETCH)).content
    mirror.fail(faults.truncated(0.6))
    assert (await client.http.get(mirror.url + path, params=FETCH)).content == whole[: int(0.6 * len(whole))]


async def test_a_declared_length_is_too_large_or_too_small(mirror: Mirror, client: Client) -> None:
    address = f"{mirror.eutils_url}/efetch.fcgi"
    mirror.fail(faults.wrong_length(100))
    assert await client.until_it_broke(address) == GENBANK
    mirror.fail(faults.wrong_length(-100))
    response = await client.efetch()
    assert response.headers["Content-Length"] == str(len(GENBANK) - 100)
    assert response.content == GENBANK[:-100]
    # The connection is not used again after either.
    assert (await client.efetch()).content == GENBANK


async def test_a_body_stalls_until_the_client_leaves(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.stall(5000))
    received = bytearray()
    async with client.http.stream("GET", f"{mirror.eutils_url}/efetch.fcgi", params=FETCH) as response:
        pieces = response.aiter_raw()
        while len(received) < 5000:
            received += await anext(pieces)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(pieces), 0.2)
    assert bytes(received) == GENBANK[:5000]


async def test_a_body_drips(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.drip(len(GENBANK) * 4))
    began = monotonic()
    assert (await client.efetch()).content == GENBANK
    assert monotonic() - began >= 0.2


@pytest.mark.parametrize("at", [0.5, 100, 0])
async def test_a_held_body_goes_on_once_released(mirror: Mirror, client: Client, at: float) -> None:
    mirror.fail(faults.hold(at), times=2)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            held = group.create_task(client.efetch())
            await mirror.reached()
            assert mirror.body_bytes() % len(GENBANK) == (at if isinstance(at, int) else int(at * len(GENBANK)))
            mirror.release()
            assert (await held).content == GENBANK


async def test_what_was_held_for_a_client_that_left_is_held_no_more(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.hold(), times=2)
    async with asyncio.TaskGroup() as group:
        gone = group.create_task(client.efetch())
        await mirror.reached()
        gone.cancel()
        await asyncio.wait([gone])
        await until(lambda: mirror.held == 0)
        second = group.create_task(client.efetch())
        await mirror.reached()
        mirror.release()
        assert (await second).content == GENBANK


async def test_a_mirror_ends_though_an_answer_is_held() -> None:
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.TaskGroup() as group:
        async with running_mirror(Records.packaged()) as mirror:
            mirror.fail(faults.hold())
            broken = group.create_task(Client(http, mirror).until_it_broke(f"{mirror.eutils_url}/efetch.fcgi"))
            await mirror.reached()
        assert len(await broken) < len(GENBANK)


async def test_a_record_is_damaged_in_one_base_the_same_or_another(mirror: Mirror, client: Client) -> None:
    def differences(one: bytes) -> list[int]:
        assert len(one) == len(GENBANK)
        return [i for i, (a, b) in enumerate(zip(one, GENBANK, strict=True)) if a != b]

    mirror.fail(faults.damaged(), times=2)
    first, second = [(await client.efetch()).content for _ in range(2)]
    assert first == second
    (place,) = differences(first)
    assert chr(first[place]) in "acgt"
    mirror.fail(faults.damaged(same=False), times=3)
    others = [differences((await client.efetch()).content) for _ in range(3)]
    assert [len(other) for other in others] == [1, 1, 1]
    assert all(one != two for one, two in itertools.combinations(others, 2))
    mirror.fail(faults.damaged())
    assert (await client.file()).content != (await client.file()).content


async def test_declared_sums_are_wrong(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.wrong_md5(), path="md5checksums", times=None)
    text = (await client.http.get(f"{mirror.genomes_url}{FOLDER}/md5checksums.txt")).text
    sums = {name: declared for declared, name in (line.split("  ./") for line in text.splitlines())}
    assert len(sums) == 3
    content = (await client.file()).content
    assert gzip.decompress(content) == GENBANK
    assert sums[GBFF.rpartition("/")[2]] != md5(content).hexdigest()
    mirror.fail(faults.wrong_md5(), path="/download")
    package = members((await client.package()).content)
    assert package[MEMBER] == GENBANK
    assert md5(GENBANK).hexdigest() not in package["md5sum.txt"].decode()


async def test_parts_are_not_given(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.no_ranges())
    response = await client.file(Range="bytes=100-")
    assert response.status_code == 200
    assert "Accept-Ranges" not in response.headers
    assert (await client.file(Range="bytes=100-")).content == response.content[100:]


async def test_a_file_is_replaced_between_two_requests(mirror: Mirror, client: Client) -> None:
    etag = (await client.file()).headers["ETag"]
    mirror.fail(faults.changed_etag(), times=2)
    for _ in range(2):
        response = await client.file(**{"Range": "bytes=100-", "If-Range": etag})
        assert response.status_code == 200
        assert response.headers["ETag"] != etag
        etag = response.headers["ETag"]


async def test_a_package_is_in_order_and_its_file_cut(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.truncated_member())
    mirror.fail(faults.truncated_member(with_md5=False))
    for names in ({"md5sum.txt"}, set()):
        package = members((await client.package()).content)
        assert package[MEMBER] == GENBANK[: int(0.6 * len(GENBANK))]
        assert package.keys() & {"md5sum.txt"} == names


async def test_a_package_is_without_its_file_or_none(mirror: Mirror, client: Client) -> None:
    mirror.fail(faults.missing_member())
    assert not any(name.endswith(".gbff") for name in members((await client.package()).content))
    mirror.fail(faults.junk_zip())
    response = await client.package()
    assert len(response.content) == 2700
    with pytest.raises(BadZipFile):
        members(response.content)
