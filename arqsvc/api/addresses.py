"""Addresses that callers name, checked when they are named; those that are sent to are checked again then."""

from starlette.requests import Request

from arqsvc.api.problems import fault
from arqsvc.errors import AddressRefused
from arqsvc.infra.outward import Outward


async def check_address(request: Request, url: str, pointer: str) -> None:
    """Pass only an address where requests of ours may go.

    Raises:
        InvalidParams: it is malformed or unknown, or not public; with this JSON Pointer.
    """
    outward: Outward = request.app.state.outward
    try:
        await outward.check(url)
    except AddressRefused as error:
        raise fault(pointer, error.detail) from error
