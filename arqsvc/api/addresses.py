"""Addresses that callers name, checked when they are named; those that are sent to are checked again then."""

from starlette.requests import Request

from arqsvc.api.held import of
from arqsvc.api.problems import fault
from arqsvc.errors import AddressRefused


async def check_address(request: Request, url: str, pointer: str) -> None:
    """Pass only an address where requests of ours may go.

    Raises:
        AddressRefused: it is malformed or unknown, or not public; with this JSON Pointer.
    """
    try:
        await of(request).outward.check(url)
    except AddressRefused as error:
        told = fault(pointer, error.detail)
        raise AddressRefused(told.detail, **{**error.facts, **told.facts}) from error
