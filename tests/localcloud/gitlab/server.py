# SPDX-License-Identifier: Apache-2.0
"""The stand-in GitLab as its users hold it: a GitLab behind its own HTTP server."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from localcloud.gitlab.authority import CertificateAuthority
from localcloud.gitlab.faults import Faults
from localcloud.gitlab.git_http import GitHttp
from localcloud.gitlab.http_server import HttpServer
from localcloud.gitlab.instance import Instance
from localcloud.gitlab.oidc import OidcProvider
from localcloud.gitlab.runner_api import RunnerApi
from localcloud.gitlab.user_api import UserApi
from localcloud.gitlab.web import RecordedRequest, Request, Response, Routes
from localcloud.gitlab.webhooks import Webhooks

NAMES = ("127.0.0.1", "localhost", "gitlab.runlet.test", "::1")
ROOT_PAGE = b"""<!doctype html><title>Stand-in GitLab</title>
<h1>Stand-in GitLab</h1>
<p>It speaks the runner API, git over HTTP, and a part of the REST API under /api/v4. The rest of
GitLab is not here.</p>
"""


class StandInGitLab(Instance):
    """Listens on 127.0.0.1 from `start` (or `with`) to `stop`. Plain http without a CA.

    `host` is the name in all URLs that it gives out; its certificate holds NAMES.
    """

    def __init__(
        self, *, ca: CertificateAuthority | None = None, folder: Path, port: int = 0
    ) -> None:
        super().__init__(folder)
        self.ca = ca
        self.host = NAMES[0]
        self.faults = Faults()
        self.routes = Routes()
        self._wanted_port = port
        self._git = GitHttp(self)
        self.routes.add("GET", "/", lambda request: _page(ROOT_PAGE))
        self.routes.add("GET", "/-/health", lambda request: _page(b"GitLab OK"))
        RunnerApi(self, self.routes)
        UserApi(self, self.routes)
        self.oidc = OidcProvider(self, self.routes)
        self.webhooks = Webhooks(self)
        tls = ca.server_context(*NAMES) if ca else None
        self._server = HttpServer(self._answer, self.faults, tls)

    def _answer(self, request: Request) -> Response:
        return self._git.answer(request) or self.routes.answer(request)

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def url(self) -> str:  # type: ignore[override]
        return f"{'https' if self.ca else 'http'}://{self.host}:{self.port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """All requests so far, in the order of their arrival."""
        return self._server.requests

    def start(self) -> StandInGitLab:
        self._server.start(self._wanted_port)
        return self

    def stop(self) -> None:
        self._server.stop()
        self.webhooks.close()
        self.close()

    def stop_listening(self) -> None:
        """GitLab is down: open connections are reset, new ones refused."""
        self._server.stop()

    def start_listening(self) -> None:
        """GitLab is up again, on the same port, and knows all that it knew."""
        self._server.start()

    def __enter__(self) -> StandInGitLab:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _page(content: bytes) -> Response:
    return Response(200, content, {"Content-Type": "text/html; charset=utf-8"})
