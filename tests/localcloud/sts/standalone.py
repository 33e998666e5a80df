# SPDX-License-Identifier: Apache-2.0
"""STS alone: moto and the gateway with the strict STS, without Lambda and GitLab."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from localcloud.aws import Aws
from localcloud.gateway.server import Gateway
from localcloud.moto_start import Moto
from localcloud.sts.service import StrictSts


class StsCloud:
    """Up until the `with` block ends; `aws` has clients, `sts` the sessions and calls."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self._clock = clock
        self._stack = ExitStack()
        self.aws: Aws
        self.sts: StrictSts

    def __enter__(self) -> StsCloud:
        with ExitStack() as stack:
            self.folder.mkdir(parents=True, exist_ok=True)
            moto = Moto(stack, self.folder / "moto.log")
            gateway = Gateway(moto.port)
            stack.callback(gateway.close)
            self.aws = Aws(gateway.url)
            self.sts = StrictSts(moto.url, self._clock)
            gateway.parts.append(self.sts)
            moto.wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()
