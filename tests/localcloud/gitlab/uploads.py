# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads, streamed to a file: gigabytes pass in constant memory."""

from __future__ import annotations

import re
from pathlib import Path

from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import (
    Data,
    Epilogue,
    Event,
    Field,
    File,
    MultipartDecoder,
    NeedData,
)

from localcloud.gitlab.web import HttpError, Request

CHUNK = 1 << 18
FIELD_LIMIT = 1 << 16


def receive_file(request: Request, folder: Path, name: str = "file") -> tuple[Path, dict[str, str]]:
    """Stores the part `name` in the folder and returns its file and the form's other fields.

    Raises HttpError 400 for what is no such form. The file gets its name when it is complete.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get("boundary")
    if kind != "multipart/form-data" or not boundary:
        raise HttpError(400, "Bad Request: multipart/form-data is expected")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / ".partial"
    form = _Form(name)
    try:
        with partial.open("wb") as file:
            decoder = MultipartDecoder(boundary.encode())
            while not form.ended:
                event = decoder.next_event()
                if isinstance(event, NeedData):
                    # None says that there is no more: the decoder then asks for nothing.
                    decoder.receive_data(request.read(CHUNK) or None)
                elif data := form.take(event):
                    file.write(data)
    except ValueError as error:
        partial.unlink(missing_ok=True)
        raise HttpError(400, f"Bad Request: {error}") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if form.filename is None:
        partial.unlink()
        raise HttpError(400, f"Bad Request: {name} is missing")
    stored = folder / form.filename
    partial.replace(stored)
    return stored, form.fields


class _Form:
    """Sorts the events of a form: what belongs to the wanted file is handed back."""

    def __init__(self, wanted: str) -> None:
        self.wanted = wanted
        self.filename: str | None = None
        self.fields: dict[str, str] = {}
        self.ended = False
        self._part: Field | File | None = None

    def take(self, event: Event) -> bytes:
        if isinstance(event, Field | File):
            self._part = event
            if isinstance(event, File) and event.name == self.wanted:
                # A name only: never a path out of the folder, never hidden.
                base = re.sub(r"[^\w.+-]", "_", Path(event.filename or "").name).lstrip(".")
                self.filename = base or "artifacts.zip"
        elif isinstance(event, Epilogue):
            self.ended = True
        elif isinstance(event, Data) and self._part is not None:
            if isinstance(self._part, File):
                return event.data if self._part.name == self.wanted else b""
            value = self.fields.get(self._part.name, "") + event.data.decode(errors="replace")
            if len(value) > FIELD_LIMIT:
                raise ValueError(f"field {self._part.name} is too long")
            self.fields[self._part.name] = value
        return b""
