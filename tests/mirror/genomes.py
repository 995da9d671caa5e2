"""The genomes tree: one folder for each assembly, with its files and their MD5, as a plain file server gives them."""

import re

from tests.mirror.records import Records, md5
from tests.mirror.server import Answer, Request, html_answer, not_found

FOLDER = "/genomes/all"
MODIFIED = "Tue, 17 Oct 2023 03:12:42 GMT"


def answer(records: Records, request: Request) -> Answer:
    """Return a listing or a file."""
    path = request.path.removeprefix(FOLDER).lstrip("/")
    files = {f"{_place(assembly.accession)}/{assembly.folder}/": assembly for assembly in records.assemblies.values()}
    folder, _, name = path.rpartition("/")
    if name and f"{folder}/" in files:
        content = files[f"{folder}/"].files.get(name)
        if content is not None:
            return _file(name, content)
    inside = path if path.endswith("/") or not path else f"{path}/"
    entries = {f"{place[len(inside) :].partition('/')[0]}/" for place in files if place.startswith(inside)} - {"/"}
    if inside in files:
        entries = set(files[inside].files)
    if not entries:
        return not_found(request)
    if path and not path.endswith("/"):
        return Answer(301, b"", {"Location": f"{request.path}/"})
    lines = "".join(f'<a href="{entry}">{entry}</a>  2023-10-17 03:12  -\n' for entry in sorted(entries))
    title = f"Index of {request.path.rstrip('/')}"
    return html_answer(
        200, title, f'<pre>Name  Last modified  Size<hr><a href="../">Parent Directory</a>\n{lines}</pre>\n'
    )


def _place(accession: str) -> str:
    """Return the folders above an assembly's own: GCF/000/005/845."""
    return "/".join([accession[:3], *re.findall(r"\d{3}", accession.partition(".")[0])])


def _file(name: str, content: bytes) -> Answer:
    headers = {
        "Content-Type": "application/x-gzip" if name.endswith(".gz") else "text/plain",
        "ETag": f'"{len(content):x}-{md5(content)[:13]}"',
        "Last-Modified": MODIFIED,
        "Accept-Ranges": "bytes",
    }
    return Answer(200, content, headers, ranges=True)
