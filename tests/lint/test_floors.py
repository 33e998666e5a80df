# SPDX-License-Identifier: Apache-2.0
"""The rooms of helpers/ stay on their floors, and the check notices what it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from conftest import REPO
from lint.floors import (
    FLOORS,
    INNER,
    circles,
    doubled_names,
    lent_inner_headers,
    own_includes,
    sources,
    wrong_includes,
)

HELPERS = REPO / "helpers"


def house(folder: Path, files: dict[str, str]) -> Path:
    """A helpers/ of these files, each with its text."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_no_room_uses_what_stands_above_it() -> None:
    assert not list(wrong_includes(HELPERS))


def test_no_module_has_the_name_of_another() -> None:
    assert not list(doubled_names(HELPERS))


def test_modules_do_not_include_each_other() -> None:
    assert not list(circles(HELPERS))


def test_inner_headers_stay_in_their_room() -> None:
    assert all((HELPERS / f"{module}.h").is_file() for module in INNER)
    assert not list(lent_inner_headers(HELPERS))


def test_the_settings_of_run_are_known_by_their_handler_alone() -> None:
    """Whom the handler calls takes what it needs in a struct of its own."""
    header = "bootstrap/settings/settings.h"
    users = {name for name in sources(HELPERS) if header in own_includes(HELPERS, name)}
    assert users == {"bootstrap/handlers/run.c", "bootstrap/settings/settings.c"}


def test_every_room_has_one_floor() -> None:
    assert len(set(FLOORS)) == len(FLOORS)


@pytest.mark.parametrize(
    ("name", "include"),
    [
        ("bootstrap/job/runner.c", "bootstrap/broker/broker.h"),
        ("bootstrap/job/runner.c", "bootstrap/job/result.h"),
        ("bootstrap/main.c", "bootstrap/handlers/run.h"),
        ("bootstrap/settings/forms.h", "common/aws/chain/chain.h"),
        ("common/http/http.c", "common/buffer.h"),
        ("layer-packer/main.c", "common/zip/reader.h"),
    ],
)
def test_a_room_uses_itself_and_lower_floors(name: str, include: str, tmp_path: Path) -> None:
    assert not list(wrong_includes(house(tmp_path, {name: f'#include "{include}"\n'})))


@pytest.mark.parametrize(
    ("name", "include", "rooms"),
    [
        (
            "bootstrap/broker/ask.c",
            "bootstrap/job/runner.h",
            "bootstrap/broker must not use bootstrap/job",
        ),
        ("common/alloc.h", "common/system/files.h", "common must not use common/system"),
        ("common/aws/s3.c", "common/aws/chain/chain.h", "common/aws must not use common/aws/chain"),
        ("common/log.c", "bootstrap/job/result.h", "common must not use bootstrap/job"),
        ("assume-role/hops.c", "layer-packer/tree.h", "assume-role must not use layer-packer"),
    ],
)
def test_a_wrong_include_is_named_with_both_rooms(
    name: str, include: str, rooms: str, tmp_path: Path
) -> None:
    helpers = house(tmp_path, {name: f'#include "common/slice.h"\n#  include "{include}"\n'})
    (message,) = wrong_includes(helpers)
    assert message.startswith(f"{name} includes {include}: {rooms}")


def test_an_include_in_angle_brackets_is_seen_too(tmp_path: Path) -> None:
    helpers = house(
        tmp_path,
        {
            "common/system/files.h": "",
            "common/log.c": "#include <stdio.h>\n#include <common/system/files.h>\n",
        },
    )
    (message,) = wrong_includes(helpers)
    assert message.startswith("common/log.c includes common/system/files.h: common must not")


def test_an_unknown_room_is_to_be_added_to_the_table(tmp_path: Path) -> None:
    helpers = house(
        tmp_path,
        {"bootstrap/cellar/wine.c": "", "bootstrap/main.c": '#include "bootstrap/cellar/wine.h"\n'},
    )
    cellar, above = wrong_includes(helpers)
    assert cellar.startswith("bootstrap/cellar/wine.c: the room bootstrap/cellar is not in FLOORS")
    assert above.startswith("bootstrap/main.c includes bootstrap/cellar/wine.h: the room")
    assert "add it" in cellar and "add it" in above


def test_an_include_names_its_room(tmp_path: Path) -> None:
    helpers = house(tmp_path, {"common/log.c": '#include "log.h"\n', "common/log.h": ""})
    (message,) = wrong_includes(helpers)
    assert message.startswith("common/log.c includes log.h: the room . is not in FLOORS")


def test_a_doubled_name_is_named_with_both_rooms(tmp_path: Path) -> None:
    helpers = house(
        tmp_path,
        {
            **dict.fromkeys(("bootstrap/main.c", "layer-packer/main.c"), ""),
            **dict.fromkeys(("common/http/http.c", "common/http/http.h"), ""),
            **dict.fromkeys(("bootstrap/gitlab/job.c", "layer-packer/job.h"), ""),
        },
    )
    (message,) = doubled_names(helpers)
    assert message == "job is a module of bootstrap/gitlab and of layer-packer: rename one"


def test_a_circle_of_modules_is_named(tmp_path: Path) -> None:
    helpers = house(
        tmp_path,
        {
            "layer-packer/tree.h": "",
            "layer-packer/tree.c": '#include "layer-packer/links.h"\n',
            "layer-packer/links.h": '#include "layer-packer/walk.h"\n',
            "layer-packer/walk.c": '#include "layer-packer/tree.h"\n',
        },
    )
    (message,) = circles(helpers)
    assert all(f"layer-packer/{name}" in message for name in ("tree", "links", "walk"))


def test_a_module_may_be_in_several_sources(tmp_path: Path) -> None:
    inner = '#include "bootstrap/broker/broker.h"\n'
    sources = dict.fromkeys(("broker", "ask", "state"), '#include "bootstrap/broker/state.h"\n')
    files = {f"bootstrap/broker/{name}.c": text for name, text in sources.items()}
    helpers = house(tmp_path, {**files, "bootstrap/broker/state.h": inner})
    assert not list(circles(helpers)) and not list(lent_inner_headers(helpers))

    house(tmp_path, {"bootstrap/job/runner.c": '#include "bootstrap/broker/state.h"\n'})
    (message,) = lent_inner_headers(helpers)
    assert message.startswith("bootstrap/job/runner.c includes bootstrap/broker/state.h")
