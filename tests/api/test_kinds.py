"""GET /kinds: all that a form, or a program of another language, must know of a kind."""

from typing import Any

import jsonschema_rs
import pytest

from arqsvc.families import load_params
from arqsvc.families.genomes.params import Analyze, Download
from arqsvc.settings import Settings
from tests.flow.test_genome import STEPS
from tests.service import Service, open_service


async def kinds(service: Service) -> dict[str, Any]:
    answer = await service.http.get("/kinds")
    assert answer.status_code == 200
    return {kind["kind"]: kind for kind in answer.json()["items"]}


async def test_a_kind_is_told_with_all_that_it_promises(settings: Settings) -> None:
    routed = settings.model_copy(update={"routes": "*.analyze=big"})
    async with open_service(routed, load_params()) as service:
        told = await kinds(service)
        assert list(told) == sorted(load_params())
        one = told["genomes.analyze"]
        assert (await service.http.get("/kinds/genomes.analyze")).json() == one
        gone = await service.http.get("/kinds/genomes.analyse")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_kind")
    assert (one["queue"], one["priority"], one["timeout_s"], one["soft_timeout_s"]) == ("big", 5, 3600, 3000)
    assert (told["genomes.download"]["queue"], told["genomes.download"]["retries"]["outage_s"]) == ("downloads", 3600)
    assert one["summary"].startswith("Measure, validate and draw an annotated genome")
    assert one["retries"] == {"tries": 3, "first_s": 2, "cap_s": 60, "outage_s": 0, "retry_for_s": None}
    assert [step["name"] for step in one["steps"]] == list(STEPS)
    assert told["genomes.download"]["steps"][1] == {"name": "download", "unit": "bytes"}
    assert (one["limits"], one["submit"]) == ([], "/api/v1/jobs/genomes.analyze")
    assert set(one["params"]["properties"]) == set(Analyze.model_fields)


async def test_every_example_fits_its_schema_and_is_accepted(settings: Settings) -> None:
    async with open_service(settings, load_params()) as service:
        for kind in (await kinds(service)).values():
            for schema in (kind["params"], kind["result"]):
                jsonschema_rs.meta.validate(schema)
            assert kind["examples"], "each kind has an example"
            assert kind["params"]["examples"] == kind["examples"]
            for example in kind["examples"]:
                jsonschema_rs.validate(kind["params"], example)
                answer = await service.http.post(kind["submit"].removeprefix("/api/v1"), json={"params": example})
                assert answer.status_code == 202, answer.text


async def test_limits_are_told_where_they_do_not_depend_on_the_parameters(api: Service) -> None:
    told = await kinds(api)
    assert told["test.paced"]["limits"] == [{"name": "test.paced", "at_once": None, "starts": 2, "per_s": 1}]
    assert told["test.one_of_two"]["limits"] is None
    assert told["test.say"]["limits"] == told["test.say"]["steps"] == []


def test_a_step_has_one_name() -> None:
    for kind in (Analyze, Download):
        assert len({step.name for step in kind.progress_steps}) == len(kind.progress_steps)


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"size_bytes": "5"}, "/params/size_bytes"),
        ({"size_bytes": True}, "/params/size_bytes"),
        ({"size_bytes": 5.5}, "/params/size_bytes"),
    ],
)
async def test_a_value_of_another_type_than_the_schema_says_is_refused(
    api: Service, params: dict[str, Any], pointer: str
) -> None:
    answer = await api.http.post("/jobs/test.eat", json={"params": params})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert (await api.http.post("/jobs/test.eat", json={"params": {"size_bytes": 5}})).status_code == 202
