# SPDX-License-Identifier: Apache-2.0
"""Which room of helpers/ may include which: a room uses itself and what stands on lower floors.

A room is a folder. A program's rooms know the program itself and `common`, never another program.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

# From the top floor to the ground. A room may stand here before its folder does.
FLOORS = (
    "assume-role",
    "layer-packer",
    "bootstrap",
    "bootstrap/handlers",
    "bootstrap/bridge",
    "bootstrap/job",
    "bootstrap/broker",
    "bootstrap/workspace",
    "bootstrap/confine",
    "bootstrap/proxy",
    "bootstrap/credentials",
    "bootstrap/gitlab",
    "bootstrap/settings",
    "bootstrap/runtime",
    "common/aws/chain",
    "common/aws",
    "common/http",
    "common/zip",
    "common/system",
    "common",
)

# What the several sources of one module share: it knows the module's header, and only they know it.
INNER = ("bootstrap/broker/state", "common/aws/chain/provider", "common/http/http_transfer")

TABLE = "FLOORS in tests/lint/floors.py"
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)', re.MULTILINE)


def room_of(name: str) -> str:
    return name.rpartition("/")[0] or "."


def may_include(room: str, other: str) -> bool:
    """Whether `other` is the room itself or on a lower floor of the same house."""
    program, others = room.partition("/")[0], other.partition("/")[0]
    return FLOORS.index(room) <= FLOORS.index(other) and others in (program, "common")


def sources(helpers: Path) -> list[str]:
    found = (path for kind in ("*.c", "*.h") for path in helpers.rglob(kind))
    return sorted(path.relative_to(helpers).as_posix() for path in found)


def own_includes(helpers: Path, name: str) -> Iterator[str]:
    """What a file includes of the helpers, as the file writes it."""
    for quoted, angled in INCLUDE.findall((helpers / name).read_text()):
        if quoted or (helpers / angled).is_file():
            yield quoted or angled


def wrong_includes(helpers: Path) -> Iterator[str]:
    """A line for each file in an unknown room and each include that goes up or next door."""
    for name in sources(helpers):
        room = room_of(name)
        if room not in FLOORS:
            yield f"{name}: the room {room} is not in {TABLE}: add it at its floor"
            continue
        for include in own_includes(helpers, name):
            other = room_of(include)
            if other not in FLOORS:
                yield f"{name} includes {include}: the room {other} is not in {TABLE}: add it"
            elif not may_include(room, other):
                yield f"{name} includes {include}: {room} must not use {other}, see {TABLE}"


def doubled_names(helpers: Path) -> Iterator[str]:
    """A line for each module's name that stands in two rooms: suites and debuggers go by names."""
    rooms: dict[str, set[str]] = defaultdict(set)
    for name in sources(helpers):
        rooms[Path(name).stem].add(room_of(name))
    for stem, places in sorted(rooms.items()):
        if stem != "main" and len(places) > 1:
            yield f"{stem} is a module of {' and of '.join(sorted(places))}: rename one"


def circles(helpers: Path) -> Iterator[str]:
    """A line for the first circle of modules: a module is its header with the source beside it."""
    uses: dict[str, set[str]] = defaultdict(set)
    for name in sources(helpers):
        module = name[:-2]
        if module not in INNER:
            uses[module] |= {include[:-2] for include in own_includes(helpers, name)} - {module}
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        yield f"modules include each other: {' <- '.join(error.args[1])}"


def lent_inner_headers(helpers: Path) -> Iterator[str]:
    """A line for each file that includes what another room keeps for itself."""
    for name in sources(helpers):
        for include in own_includes(helpers, name):
            if include[:-2] in INNER and room_of(include) != room_of(name):
                yield f"{name} includes {include}, which is for {room_of(include)} alone"
