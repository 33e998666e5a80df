# SPDX-License-Identifier: Apache-2.0
"""modules/gitlab-oidc, applied: whom its trust lets in by the id_token of a real job."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from e2e.stage import Stage, StageMaker, output_of
from e2e.test_provider_mirror import Mirror
from localcloud import LocalCloud
from localcloud.gitlab import Job, Project
from localcloud.terraform import Terraform

ISSUER, HOSTED = "https://gitlab.example.com", "https://gitlab.com"
# The variables of a job's tokens, and the aud of each. The provider does not list the last.
AUDIENCES = {
    "AWS_ID_TOKEN": "https://aws.example.com",
    "LISTED_TOKEN": "https://vault.example.com",
    "FOREIGN_TOKEN": "https://other.example.com",
}
CONFIGURATION = """
provider "aws" {}

variable "project_path" {
  type = string
}

variable "project_id" {
  type = string
}

module "by_path" {
  source = "../../terraform/modules/gitlab-oidc"

  issuer_url = "https://gitlab.example.com"
  audiences  = ["https://aws.example.com", "https://vault.example.com"]
  roles = {
    main = {
      subjects  = [{ project_path = var.project_path, ref_type = "branch", ref = "main" }]
      audiences = ["https://aws.example.com"]
    }
    release = {
      subjects = [{ project_path = var.project_path, ref_pattern = "release/*" }]
    }
  }
}

# For projects whose ci_id_token_sub_claim_components are these.
module "by_id" {
  source = "../../terraform/modules/gitlab-oidc"

  issuer_url           = "https://gitlab.example.com"
  create_provider      = false
  audiences            = ["https://aws.example.com"]
  sub_claim_components = ["project_id", "ref", "ref_protected"]
  roles = {
    protected = { subjects = [{ project_id = var.project_id, ref_protected = true }] }
  }

  depends_on = [module.by_path]
}

# Of gitlab.com AWS knows more claims: here the number of the project that a path must stand for.
module "hosted" {
  source = "../../terraform/modules/gitlab-oidc"

  issuer_url = "https://gitlab.com"
  audiences  = ["https://aws.example.com"]
  roles = {
    for name, id in { hosted = var.project_id, taken_over = "${var.project_id}0" } : name => {
      subjects = [{ project_path = var.project_path }]
      claims = {
        project_id    = { values = [id] }
        ref_protected = { values = ["true"] }
      }
    }
  }
}

output "role_arns" {
  value = merge(module.by_path.role_arns, module.by_id.role_arns, module.hosted.role_arns)
}
"""

# What a project's job applies.
WHO = """
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}

provider "aws" {}

data "aws_caller_identity" "me" {}

output "me" {
  value = data.aws_caller_identity.me.arn
}
"""


@dataclass
class Trusting:
    """The roles, and a runner that serves the project they trust and another one."""

    stage: Stage
    roles: dict[str, str]

    def attempts(self, role: str, project: Project, ref: str = "main") -> dict[str, str]:
        """Whom a job of this project and ref is with each of its tokens, or why it is nobody."""
        script = [
            f"assume-role --check --role-arn {self.roles[role]} --role-session-name by-token"
            f" --web-identity-token-env {name} > said 2>&1 || true; sed 's/^/{name}: /' said"
            for name in AUDIENCES
        ]
        tokens = {name: {"aud": audience} for name, audience in AUDIENCES.items()}
        job = {"tags": [self.stage.tag], "id_tokens": tokens, "script": script}
        pipeline = project.commit({".gitlab-ci.yml": json.dumps({"job": job})}, ref=ref)
        assert pipeline is not None
        invocation = self.stage.invoke()
        assert invocation.answer["status"] == "job_succeeded", invocation.response
        return {name: _outcome(pipeline.job("job"), name) for name in AUDIENCES}

    def session(self, role: str) -> str:
        arn = self.roles[role].replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
        return f"{arn}/by-token"


def _outcome(job: Job, token: str) -> str:
    said = "\n".join(re.findall(rf"^{token}: (.*)$", output_of(job), re.M))
    found = re.search(r"arn:aws:sts::\S+|AccessDenied|InvalidIdentityToken", said)
    assert found, said
    return found[0]


@pytest.fixture
def trusting(cloud: LocalCloud, make_stage: StageMaker, tmp_path: Path) -> Iterator[Trusting]:
    stage = make_stage(layers=("git", "gitlab-runner", "assume-role"))
    terraform = Terraform("quick-start", tmp_path, cloud.aws.environ())
    shutil.rmtree(terraform.folder)
    terraform.folder.mkdir()
    (terraform.folder / "main.tf").write_text(CONFIGURATION)
    variables = {"project_path": stage.project.path, "project_id": str(stage.project.id)}
    terraform.init()
    terraform.apply(variables)
    # AWS takes no issuer with a port: the tokens name another one, whose keys are GitLab's.
    cloud.gitlab.oidc.issuer = ISSUER
    cloud.sts.issuers.urls |= {ISSUER: cloud.gitlab.url, HOSTED: cloud.gitlab.url}
    yield Trusting(stage, terraform.outputs()["role_arns"])
    for issuer in (ISSUER, HOSTED):
        del cloud.sts.issuers.urls[issuer]
    cloud.gitlab.oidc.issuer = None
    terraform.destroy(variables)


def test_the_trust_lets_in_the_jobs_that_it_names_by_their_own_tokens(trusting: Trusting) -> None:
    stage, calls = trusting.stage, len(trusting.stage.cloud.sts.calls)
    neighbour = stage.cloud.gitlab.create_project(f"{stage.project.path}-2")
    other_tokens = {"LISTED_TOKEN": "AccessDenied", "FOREIGN_TOKEN": "InvalidIdentityToken"}
    refused = {"AWS_ID_TOKEN": "AccessDenied", **other_tokens}

    # The branch, and of its tokens the one whose aud the role takes.
    assert trusting.attempts("main", stage.project) == {
        "AWS_ID_TOKEN": trusting.session("main"), **other_tokens
    }  # fmt: skip
    made = stage.cloud.sts.calls[calls:]
    assert {one.access_key for one in made if one.action == "AssumeRoleWithWebIdentity"} == {None}
    assert "AssumeRole" not in {one.action for one in made}

    assert trusting.attempts("main", stage.project, "feature") == refused
    assert trusting.attempts("main", stage.project, "main-2") == refused
    assert trusting.attempts("main", neighbour) == refused

    # A wildcard of the ref reaches no further than the ref, a role without audiences takes all.
    let_in = trusting.session("release")
    assert trusting.attempts("release", stage.project, "release/1") == {
        "AWS_ID_TOKEN": let_in, "LISTED_TOKEN": let_in, "FOREIGN_TOKEN": "InvalidIdentityToken"
    }  # fmt: skip
    assert trusting.attempts("release", stage.project, "unrelease/1") == refused
    assert trusting.attempts("release", neighbour, "release/1") == refused


def test_a_protected_ref_is_let_in_only_while_it_is_protected(trusting: Trusting) -> None:
    project = trusting.stage.project
    # The default sub says nothing of protection: it fits none of what this role asks for.
    assert trusting.attempts("protected", project)["AWS_ID_TOKEN"] == "AccessDenied"

    project.id_token_sub_components = ("project_id", "ref", "ref_protected")
    assert trusting.attempts("protected", project) == {
        "AWS_ID_TOKEN": trusting.session("protected"),
        "LISTED_TOKEN": "AccessDenied",
        "FOREIGN_TOKEN": "InvalidIdentityToken",
    }
    assert trusting.attempts("protected", project, "feature")["AWS_ID_TOKEN"] == "AccessDenied"
    project.protected_refs.clear()
    assert trusting.attempts("protected", project)["AWS_ID_TOKEN"] == "AccessDenied"

    other = trusting.stage.cloud.gitlab.create_project(f"{project.path}-3")
    other.id_token_sub_components = project.id_token_sub_components
    assert trusting.attempts("protected", other)["AWS_ID_TOKEN"] == "AccessDenied"


def test_on_gitlab_com_a_path_alone_does_not_do(trusting: Trusting) -> None:
    project, gitlab = trusting.stage.project, trusting.stage.cloud.gitlab
    # A token of another issuer is none of this provider's, whatever it says of the project.
    assert trusting.attempts("hosted", project)["AWS_ID_TOKEN"] == "AccessDenied"

    gitlab.oidc.issuer = HOSTED
    assert trusting.attempts("hosted", project)["AWS_ID_TOKEN"] == trusting.session("hosted")
    assert trusting.attempts("hosted", project, "feature")["AWS_ID_TOKEN"] == "AccessDenied"
    # The path is right, and was another project's when the role was made.
    assert trusting.attempts("taken_over", project)["AWS_ID_TOKEN"] == "AccessDenied"


def test_tofu_gets_in_by_the_profile_of_a_token(
    trusting: Trusting, make_stage: StageMaker, provider_mirror: dict[str, str]
) -> None:
    """`AWS_PROFILE=prod tofu apply` just works, with no job role and no key anywhere."""
    cloud, project = trusting.stage.cloud, trusting.stage.project
    account = {"role_arn": trusting.roles["main"], "session_name": "by-token"}
    cloud.aws.client("ssm").put_parameter(
        Name="/by-token/accounts",
        Value=json.dumps({"prod": {**account, "id_token": "AWS_ID_TOKEN"}}),
        Type="String",
    )
    stage = make_stage(
        layers=("git", "gitlab-runner", "opentofu"),
        environment={
            **Mirror(**provider_mirror).settings,
            "RUNLET_ACCOUNTS_PARAMETER": "/by-token/accounts",
        },
        ephemeral_storage=2048,
        memory_size=4096,
        timeout=300,
    )
    job = {
        "tags": [stage.tag],
        "id_tokens": {"AWS_ID_TOKEN": {"aud": AUDIENCES["AWS_ID_TOKEN"]}},
        "script": ["tofu init -no-color", "AWS_PROFILE=prod tofu apply -no-color -auto-approve"],
    }
    calls = len(cloud.sts.calls)
    files = {".gitlab-ci.yml": json.dumps({"job": job}), "main.tf": WHO}

    pipeline = project.commit(files)
    assert pipeline is not None
    invocation = stage.invoke()

    said = output_of(pipeline.job("job"))
    assert invocation.answer["status"] == "job_succeeded", said + stage.logs
    assert f'me = "{trusting.session("main")}"' in said
    made = [one for one in cloud.sts.calls[calls:] if one.action.startswith("AssumeRole")]
    assert {(one.action, one.access_key) for one in made} == {("AssumeRoleWithWebIdentity", None)}
