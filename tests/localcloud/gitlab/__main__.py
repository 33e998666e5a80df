# SPDX-License-Identifier: Apache-2.0
"""Runs the stand-in GitLab alone: `python -m localcloud.gitlab [--folder DIR] [--port N]`."""

from __future__ import annotations

import argparse
import signal
import tempfile
from pathlib import Path

from localcloud.gitlab import CertificateAuthority, StandInGitLab

EXAMPLE = """\
hello:
  script:
    - echo "Hello from $CI_PROJECT_PATH"
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m localcloud.gitlab", description="A stand-in GitLab on loopback."
    )
    parser.add_argument("--folder", type=Path, help="where it keeps its files (a temporary one)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (a free one)")
    parser.add_argument("--plain", action="store_true", help="http instead of https")
    parser.add_argument("--project", default="demo/hello", help="project to make (%(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="runlet-gitlab-") as temporary:
        folder = options.folder or Path(temporary)
        ca = None if options.plain else CertificateAuthority(folder / "ca")
        with StandInGitLab(ca=ca, folder=folder / "gitlab", port=options.port) as gitlab:
            runner = gitlab.create_runner(description="the first runner")
            project = gitlab.create_project(options.project)
            project.commit({".gitlab-ci.yml": EXAMPLE}, message="Say hello")
            trust = f"export GIT_SSL_CAINFO={ca.file} CURL_CA_BUNDLE={ca.file}\n" if ca else ""
            tls = f"--tls-ca-file {ca.file} " if ca else ""
            print(
                f"GitLab:        {gitlab.url}\n"
                f"runner token:  {runner.token}\n"
                f"your token:    {gitlab.personal_token}\n\n"
                f"{trust}"
                f"git clone {project.git_url}\n"
                f"gitlab-runner run-single --url {gitlab.url} --token {runner.token} "
                f"--executor shell {tls}--wait-timeout 10 --max-builds 1 "
                f"--builds-dir /tmp/builds --cache-dir /tmp/cache\n"
                f"curl -H 'PRIVATE-TOKEN: {gitlab.personal_token}' "
                f"{gitlab.url}/api/v4/projects/{project.id}/jobs\n\n"
                "Ctrl-C ends it.",
                flush=True,
            )
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    # Threads inherit this mask, so that the signal waits for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    raise SystemExit(main())
