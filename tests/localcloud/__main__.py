# SPDX-License-Identifier: Apache-2.0
"""The commands behind `make demo` and `make localcloud`."""

from __future__ import annotations

import argparse

from localcloud.demo import run_demo
from localcloud.signals import stop_by_exception
from localcloud.up import run_up

COMMANDS = {
    "demo": (run_demo, "runs a pipeline from terraform apply to its cost, and ends"),
    "up": (run_up, "keeps the local cloud up in the foreground"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m localcloud", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, what) in COMMANDS.items():
        commands.add_parser(name, help=what)
    command = parser.parse_args().command
    stop_by_exception()
    run, _ = COMMANDS[command]
    return run()


if __name__ == "__main__":
    raise SystemExit(main())
