"""What the mirror answers when nothing is wrong."""

import asyncio
import gzip
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from hashlib import md5
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.mirror import faults
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import PACKAGED, Records
from tests.servers import ROOT

GENBANK = gzip.decompress(PACKAGED.read_bytes())
PLAIN = {"Accept-Encoding": "identity"}
FETCH = {"db": "nuccore", "id": "NC_000932.1", "rettype": "gbwithparts", "retmode": "text"}
FOLDER = "/all/GCF/000/000/932/GCF_000000932.1_ASM93v1"
GBFF = f"{FOLDER}/GCF_000000932.1_ASM93v1_genomic.gbff.gz"
KEY = "0123456789abcdef"


def older(text: bytes) -> bytes:
    return text.replace(b"NC_000932.1  GI:7525012", b"NC_000932.0  GI:7525011", 1)


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    records = Records.packaged()
    records.add("NC_000932.0", older(GENBANK))
    records.assembly("GCF_000000932.0", "ASM93v0", ["NC_000932.0"])
    async with running_mirror(records, api_key=KEY) as mirror:
        yield mirror


@pytest.fixture
async def client(mirror: Mirror) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False, headers=PLAIN) as client:
        yield client


async def efetch(client: httpx.AsyncClient, mirror: Mirror, **changed: str) -> httpx.Response:
    return await client.get(f"{mirror.eutils_url}/efetch.fcgi", params={**FETCH, **changed})


async def test_efetch_streams_the_record_without_length_or_etag(mirror: Mirror, client: httpx.AsyncClient) -> None:
    response = await client.get(f"{mirror.eutils_url}/efetch.fcgi", params=FETCH, headers={"Range": "bytes=10-"})
    assert response.status_code == 200
    assert response.content == GENBANK
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert response.headers["Content-Type"] == "text/plain"
    assert (response.headers["X-RateLimit-Limit"], response.headers["X-RateLimit-Remaining"]) == ("3", "2")
    assert not {"etag", "content-length", "accept-ranges", "content-encoding"} & set(response.headers)


async def test_efetch_compresses_for_a_client_that_accepts_it(mirror: Mirror, client: httpx.AsyncClient) -> None:
    response = await client.get(f"{mirror.eutils_url}/efetch.fcgi", params=FETCH, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.content == GENBANK
    assert mirror.requests[0].body_bytes < len(GENBANK) / 2


async def test_efetch_resolves_an_accession_without_version(mirror: Mirror, client: httpx.AsyncClient) -> None:
    assert (
        await efetch(client, mirror, id="NC_000932,nc_000932.0", rettype="acc")
    ).text == "NC_000932.1\nNC_000932.0\n"
    assert (await efetch(client, mirror, id="NC_000932")).content == GENBANK
    assert (await efetch(client, mirror, id="NC_000932.0")).content == older(GENBANK)


async def test_efetch_gives_fasta(mirror: Mirror, client: httpx.AsyncClient) -> None:
    first, *lines = (await efetch(client, mirror, rettype="fasta")).text.removesuffix("\n\n").split("\n")
    assert first == ">NC_000932.1 Arabidopsis thaliana chloroplast, complete genome"
    assert {len(line) for line in lines[:-1]} == {70}
    assert len("".join(lines)) == 154478


@pytest.mark.parametrize("changed", [{"id": "NC_000001.1"}, {"db": "protein"}, {"id": ""}])
async def test_efetch_refuses_with_letters_apart(
    mirror: Mirror, client: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    response = await efetch(client, mirror, **changed)
    assert response.status_code == 400
    assert response.text.startswith("+Error%3A+CEFetchPApplication%3A%3Aproxy_stream()%3A+Error%3A+")


@pytest.mark.parametrize("changed", [{"retmode": "asn.1"}, {"rettype": "genbank"}])
async def test_efetch_gives_asn1_for_what_it_does_not_understand(
    mirror: Mirror, client: httpx.AsyncClient, changed: dict[str, str]
) -> None:
    response = await efetch(client, mirror, **changed)
    assert response.status_code == 200
    assert response.text.startswith("Seq-entry ::= ")


async def test_a_valid_key_has_a_higher_limit_and_a_wrong_one_is_refused(
    mirror: Mirror, client: httpx.AsyncClient
) -> None:
    assert (await efetch(client, mirror, api_key=KEY)).headers["X-RateLimit-Limit"] == "10"
    wrong = await efetch(client, mirror, api_key="wrong")
    assert (wrong.status_code, wrong.json()["error"]) == (400, "API key invalid")
    report = f"{mirror.datasets_url}/genome/accession/GCF_000000932.1/dataset_report"
    assert (await client.get(report, headers={"api-key": KEY})).headers["X-RateLimit-Limit"] == "10"
    assert (await client.get(report, headers={"api-key": "wrong"})).status_code == 400


async def test_requests_above_the_limit_are_counted_and_refused_if_wanted(
    mirror: Mirror, client: httpx.AsyncClient
) -> None:
    for _ in range(4):
        assert (await efetch(client, mirror, rettype="acc")).status_code == 200
    mirror.enforce = True
    refused = await efetch(client, mirror, rettype="acc")
    assert (refused.status_code, refused.json()["error"]) == (429, "API rate limit exceeded")
    assert (refused.json()["count"], refused.json()["limit"]) == ("5", "3")
    # Each service has a budget of its own, and the genomes tree none.
    assert (await client.get(f"{mirror.genomes_url}{FOLDER}/")).status_code == 200
    assert (await client.get(f"{mirror.datasets_url}/genome/accession/GCF_000000932/dataset_report")).is_success
    assert mirror.fullest_second("efetch") == 5
    assert mirror.fullest_second() == 7
    mirror.requests.clear()
    assert mirror.over_budget() == {"/entrez/eutils": 5}  # whatever a test forgets


async def test_the_fullest_second_may_begin_anywhere(mirror: Mirror, client: httpx.AsyncClient) -> None:
    for _ in range(4):
        await efetch(client, mirror, rettype="acc")
    for seen, time in zip(mirror.requests, (0.0, 0.9, 1.1, 1.8), strict=True):
        seen.time = time
    assert mirror.fullest_second("efetch") == 3
    assert mirror.fullest_second("esummary") == 0


async def test_esummary_names_version_and_length(mirror: Mirror, client: httpx.AsyncClient) -> None:
    address = f"{mirror.eutils_url}/esummary.fcgi"
    query = {"db": "nuccore", "id": "NC_000932,NC_000932.0", "retmode": "json"}
    result = (await client.get(address, params=query)).json()["result"]
    newest, old = (result[uid] for uid in result["uids"])
    assert (newest["accessionversion"], newest["slen"], newest["status"]) == ("NC_000932.1", 154478, "live")
    assert newest["title"] == "Arabidopsis thaliana chloroplast, complete genome"
    assert (old["status"], old["replacedby"]) == ("replaced", "NC_000932.1")
    xml = (await client.get(address, params={"db": "nuccore", "id": "NC_000932"})).text
    assert '<Item Name="AccessionVersion" Type="String">NC_000932.1</Item>' in xml
    assert '<Item Name="Length" Type="Integer">154478</Item>' in xml
    assert "<ERROR>" in (await client.get(address, params={"db": "nuccore"})).text
    assert "<ERROR>" in (await client.get(address, params={"db": "nuccore", "id": "NC_000001"})).text
    assert "error" in (await client.get(address, params={**query, "id": "NC_000001"})).json()


async def test_esearch_finds_by_accession(mirror: Mirror, client: httpx.AsyncClient) -> None:
    address = f"{mirror.eutils_url}/esearch.fcgi"
    query = {"db": "nuccore", "term": "NC_000932.1[accn] OR nothing", "retmode": "json"}
    found = (await client.get(address, params=query)).json()["esearchresult"]
    assert (found["count"], found["idlist"]) == ("1", ["7525012"])
    assert found["errorlist"]["phrasesnotfound"] == ["nothing"]
    xml = (await client.post(address, data={**query, "retmode": "xml"})).text
    assert "<Count>1</Count>" in xml
    assert "<Id>7525012</Id>" in xml


async def test_the_genomes_tree_is_listed(mirror: Mirror, client: httpx.AsyncClient) -> None:
    async def links(path: str) -> list[str]:
        page = await client.get(mirror.genomes_url + path, follow_redirects=True)
        assert page.headers["Content-Type"].startswith("text/html")
        return re.findall(r'href="([^".]+[^"]*)"', page.text)

    assert await links("/all/") == ["GCF/"]
    assert await links("/all/GCF/000/000") == ["932/"]
    assert await links("/all/GCF/000/000/932/") == ["GCF_000000932.0_ASM93v0/", "GCF_000000932.1_ASM93v1/"]
    files = ["_assembly_report.txt", "_genomic.fna.gz", "_genomic.gbff.gz"]
    assert await links(f"{FOLDER}/") == [*(f"GCF_000000932.1_ASM93v1{name}" for name in files), "md5checksums.txt"]


async def test_the_files_of_an_assembly_fit_their_sums(mirror: Mirror, client: httpx.AsyncClient) -> None:
    sums = (await client.get(f"{mirror.genomes_url}{FOLDER}/md5checksums.txt")).text
    for declared, name in (line.split("  ./") for line in sums.splitlines()):
        response = await client.get(f"{mirror.genomes_url}{FOLDER}/{name}")
        assert md5(response.content).hexdigest() == declared
        assert int(response.headers["Content-Length"]) == len(response.content)
    assert gzip.decompress((await client.get(mirror.genomes_url + GBFF)).content) == GENBANK
    report = (await client.get(f"{mirror.genomes_url}{FOLDER}/GCF_000000932.1_ASM93v1_assembly_report.txt")).text
    assert "# Assembly name:  ASM93v1" in report
    assert "NC_000932.1\t154478" in report


@pytest.mark.parametrize("path", ["/all/GCF/000/000/933/", f"{FOLDER}/none.gz", "/other", "/all/GCA/"])
async def test_what_is_not_in_the_tree_is_a_page(mirror: Mirror, client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(mirror.genomes_url + path)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


async def test_a_file_comes_in_parts(mirror: Mirror, client: httpx.AsyncClient) -> None:
    address = mirror.genomes_url + GBFF
    whole = await client.get(address)
    head = await client.head(address)
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    assert head.content == b""
    etag = whole.headers["ETag"]
    for wanted, part in [("bytes=1000-", whole.content[1000:]), ("bytes=5-9", whole.content[5:10])]:
        for still in (etag, whole.headers["Last-Modified"]):
            response = await client.get(address, headers={"Range": wanted, "If-Range": still})
            assert (response.status_code, response.content) == (206, part)
    assert (await client.get(address, headers={"Range": "bytes=-7"})).content == whole.content[-7:]
    other = await client.get(address, headers={"Range": "bytes=1000-", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    beyond = await client.get(address, headers={"Range": f"bytes={len(whole.content)}-"})
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, f"bytes */{len(whole.content)}")


async def test_datasets_reports_an_assembly(mirror: Mirror, client: httpx.AsyncClient) -> None:
    async def report(accession: str) -> httpx.Response:
        return await client.get(f"{mirror.datasets_url}/genome/accession/{accession}/dataset_report")

    (found,) = (await report("GCF_000000932")).json()["reports"]
    assert found["accession"] == "GCF_000000932.1"
    assert found["assembly_info"]["assembly_name"] == "ASM93v1"
    assert found["assembly_stats"]["total_sequence_length"] == "154478"
    (old,) = (await report("GCF_000000932.0")).json()["reports"]
    assert old["assembly_info"]["assembly_status"] == "previous"
    assert old["assembly_info"]["current_assembly_accession"] == "GCF_000000932.1"
    assert (await report("GCF_000000933.1")).json() == {}
    assert (await report("NC_000932.1")).status_code == 400


async def test_datasets_gives_a_package(mirror: Mirror, client: httpx.AsyncClient) -> None:
    address = f"{mirror.datasets_url}/genome/accession/GCF_000000932.1"
    query = {"include_annotation_type": ["GENOME_GBFF", "GENOME_FASTA"], "hydrated": "FULLY_HYDRATED"}
    response = await client.get(f"{address}/download", params={**query, "filename": "x.zip"})
    assert response.headers["Transfer-Encoding"] == "chunked"
    data = "ncbi_dataset/data"
    with ZipFile(BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert archive.read(f"{data}/GCF_000000932.1/genomic.gbff") == GENBANK
        assert archive.read(f"{data}/GCF_000000932.1/GCF_000000932.1_ASM93v1_genomic.fna").startswith(b">NC_000932.1 ")
        for line in archive.read("md5sum.txt").decode().splitlines():
            declared, name = line.split("  ")
            assert md5(archive.read(name)).hexdigest() == declared
        report = json.loads(archive.read(f"{data}/assembly_data_report.jsonl"))
        assert report["assemblyInfo"]["assemblyAccession"] == "GCF_000000932.1"
        catalog = json.loads(archive.read(f"{data}/dataset_catalog.json"))
    paths = [file["filePath"] for assembly in catalog["assemblies"] for file in assembly["files"]]
    assert "GCF_000000932.1/genomic.gbff" in paths
    assert (await client.get(f"{address}/download_summary")).json()["assembly_count"] == 1


@pytest.mark.parametrize(("accession", "status"), [("GCF_000000933.1", 404), ("NC_000932.1", 400)])
async def test_datasets_refuses_a_package(
    mirror: Mirror, client: httpx.AsyncClient, accession: str, status: int
) -> None:
    response = await client.get(f"{mirror.datasets_url}/genome/accession/{accession}/download")
    assert response.status_code == status
    assert accession in response.json()["message"]


async def test_what_was_asked_for_is_written_down(mirror: Mirror, client: httpx.AsyncClient) -> None:
    await efetch(client, mirror, tool="arqsvc", email="somebody@example.org")
    (seen,) = mirror.requests
    assert (seen.method, seen.path, seen.status) == ("GET", "/entrez/eutils/efetch.fcgi", 200)
    assert seen.query["tool"] == "arqsvc"
    assert seen.headers["accept-encoding"] == "identity"
    assert mirror.body_bytes("efetch") == len(GENBANK)
    assert mirror.body_bytes("esummary") == 0


async def test_clients_are_served_side_by_side_and_may_leave(mirror: Mirror) -> None:
    mirror.fail(faults.hold(), times=1)
    async with httpx.AsyncClient(trust_env=False, headers=PLAIN) as one, asyncio.TaskGroup() as group:
        held = group.create_task(efetch(one, mirror))
        await mirror.reached()
        async with httpx.AsyncClient(trust_env=False, headers=PLAIN) as other:
            assert (await efetch(other, mirror)).content == GENBANK
        held.cancel()
    assert mirror.requests[0].body_bytes == len(GENBANK) // 2


async def test_a_connection_serves_requests_until_one_closes_it(mirror: Mirror) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(mirror.url).port)
    for last in ("", "Connection: close\r\n"):
        writer.write(f"HEAD /genomes{GBFF} HTTP/1.1\r\nHost: mirror\r\n{last}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert [seen.method for seen in mirror.requests] == ["HEAD", "HEAD"]


async def test_it_stands_alone() -> None:
    command = [sys.executable, "-u", "-m", "tests.mirror"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    try:
        lines = [(await process.stdout.readline()).decode() for _ in range(3)]
        assert all(line.startswith("export ") for line in lines)
        variables = dict(line.split()[1].split("=") for line in lines)
        base = variables["ARQSVC_GENOMES_URL"].removesuffix("/genomes")
        efetch = f"{variables['ARQSVC_EUTILS_URL']}/efetch.fcgi"
        async with httpx.AsyncClient(trust_env=False) as client:
            planned = await client.post(f"{base}/_fault", json={"fault": "status", "code": 503, "path": "efetch"})
            assert planned.json() == {"planned": "status_503"}
            assert (await client.get(efetch, params=FETCH)).status_code == 503
            assert (await client.get(efetch, params=FETCH)).content == GENBANK
            assert (await client.post(f"{base}/_fault", json={"fault": "none"})).status_code == 422
            assert (await client.post(f"{base}/_fault", json={"fault": "cut", "to": 1})).status_code == 422
            await client.post(f"{base}/_fault", json={"fault": "empty", "times": None})
            assert (await client.post(f"{base}/_mend")).is_success
            assert (await client.post(f"{base}/_release")).is_success
            assert (await client.get(f"{base}/_other")).status_code == 404
            seen = (await client.get(f"{base}/_requests")).json()
        assert [one["status"] for one in seen] == [503, 200]
        assert seen[0]["fault"] == "status_503"
    finally:
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0


@pytest.mark.shared_data
async def test_the_refusal_is_the_recorded_one(shared_data: Path, mirror: Mirror, client: httpx.AsyncClient) -> None:
    recorded = (shared_data / "ncbi/eutils/vcr_test_fetch_seq_errors.yaml").read_text()
    body = re.search(r"string: '(\S+)\n", recorded)
    assert body
    assert (await efetch(client, mirror, id="NM_9.9")).text == f"{body[1]}\n"


@pytest.mark.shared_data
async def test_the_report_has_the_names_of_a_real_one(
    shared_data: Path, mirror: Mirror, client: httpx.AsyncClient
) -> None:
    real = json.loads((shared_data / "ncbi/datasets_v2/derived_rest_dataset_report.json").read_text())["reports"][0]
    address = f"{mirror.datasets_url}/genome/accession/GCF_000000932.1/dataset_report"
    ours = (await client.get(address)).json()["reports"][0]
    assert set(ours) <= set(real)
    assert set(ours["assembly_info"]) <= set(real["assembly_info"])
    assert set(ours["assembly_stats"]) <= set(real["assembly_stats"])


@pytest.mark.shared_data
async def test_the_shared_genomes_are_there(shared_data: Path) -> None:
    async with (
        running_mirror(Records.shared(shared_data)) as mirror,
        httpx.AsyncClient(trust_env=False, headers=PLAIN) as client,
    ):
        query = {"db": "nuccore", "id": ",".join(mirror.records.records), "retmode": "json"}
        result = (await client.get(f"{mirror.eutils_url}/esummary.fcgi", params=query)).json()["result"]
        lengths = {result[uid]["accessionversion"]: result[uid]["slen"] for uid in result["uids"]}
        assert len(lengths) == 10
        assert lengths["NC_000913.3"] == 4641652
        big = (await efetch(client, mirror, id="NC_000913.3", rettype="gb")).text
        assert big.startswith("LOCUS       NC_000913            4641652 bp")
        assert "\nCONTIG " in big
        assert "\nORIGIN" not in big
        assert big.endswith("//\n\n")
        folder = f"{mirror.genomes_url}/all/GCF/000/005/845/GCF_000005845.2_ASM584v2"
        sums = (await client.get(f"{folder}/md5checksums.txt")).text
        content = (await client.get(f"{folder}/GCF_000005845.2_ASM584v2_genomic.gbff.gz")).content
        assert f"{md5(content).hexdigest()}  ./GCF_000005845.2_ASM584v2_genomic.gbff.gz\n" in sums
