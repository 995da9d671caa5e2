"""What tests of whole journeys may use."""

from collections.abc import AsyncIterator

import pytest

from arqsvc.families import load_params
from arqsvc.settings import Settings
from tests.flow.site import KEY, RECORD, Site
from tests.mirror.mirror import Mirror, running_mirror
from tests.mirror.records import Records
from tests.servers import worker_process
from tests.service import open_service


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    """A loopback NCBI with the packaged record, and two versions of an assembly of it; nobody asks it too often."""
    records = Records.packaged()
    records.assembly("GCF_000000932.2", "ASM93v2", [RECORD])
    async with running_mirror(records, api_key=KEY) as mirror:
        yield mirror
        assert mirror.over_budget() == {}


@pytest.fixture
async def site(settings: Settings, mirror: Mirror) -> AsyncIterator[Site]:
    """All of it, with a key, so that ten requests a second are allowed."""
    async with open_service(settings.model_copy(update={"stall_s": 1.0}), load_params()) as service:
        environment = {**mirror.environment, "ARQSVC_NCBI_API_KEY": KEY}
        async with worker_process(service.settings, "arqsvc", "worker", env=environment):
            yield Site(service, mirror, settings.storage)
