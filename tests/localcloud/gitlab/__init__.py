# SPDX-License-Identifier: Apache-2.0
"""A stand-in GitLab for tests and the demo: one process, no database, on loopback.

It answers as GitLab 18 does where a runner looks: the runner API (registration, job requests with
long polling, traces, updates, artifacts, cancel), git over smart HTTP, pipelines made by pushes
from a real `.gitlab-ci.yml`, job webhooks, OIDC id_tokens, and the few calls of the REST API that
people use while they play.

What it does not imitate: see README.md in this folder. In short: no users, groups, permissions or
web pages; branch and tag pipelines only; keywords of `.gitlab-ci.yml` that it does not know are
refused, never ignored; nothing is kept after it ends.
"""

from localcloud.gitlab.authority import CertificateAuthority
from localcloud.gitlab.ci_config import CiConfigError
from localcloud.gitlab.faults import Fault, Faults
from localcloud.gitlab.jobs import Job
from localcloud.gitlab.pipelines import Pipeline
from localcloud.gitlab.projects import Project, ProjectVariable
from localcloud.gitlab.runners import Runner
from localcloud.gitlab.server import StandInGitLab
from localcloud.gitlab.web import RecordedRequest
from localcloud.gitlab.webhooks import Delivery, Webhook, new_signing_token

__all__ = [
    "CertificateAuthority",
    "CiConfigError",
    "Delivery",
    "Fault",
    "Faults",
    "Job",
    "Pipeline",
    "Project",
    "ProjectVariable",
    "RecordedRequest",
    "Runner",
    "StandInGitLab",
    "Webhook",
    "new_signing_token",
]
