# SPDX-License-Identifier: Apache-2.0
"""Keeps the local cloud up in the foreground, and says how to use it."""

from __future__ import annotations

import signal
import tempfile
from pathlib import Path

from localcloud.cloud import LocalCloud
from localcloud.demo import EXAMPLE, RUNNER_TIMEOUT, ca_layer
from localcloud.terminal import Terminal
from localcloud.terraform import REPO, find_program, write_cli_configuration

GUIDE = """\
In another terminal, first of all:

    source {environment}

aws:

    aws lambda list-functions

terraform (or tofu), with what `make dist` wrote:

    cp -r {repo}/examples {folder}/ && ln -sfn {repo}/terraform {repo}/dist {folder}/
    cd {folder}/examples/{example}
    {terraform} init
    {terraform} apply -var gitlab_url={gitlab} -var gitlab_ca_layer={ca_layer}
    aws secretsmanager put-secret-value --secret-string "$RUNNER_TOKEN" \\
        --secret-id "$({terraform} output -raw token_secret_arn)"

git push:

    cp -r {repo}/examples/{example}/project {folder}/site && cd {folder}/site
    git init --initial-branch=main && git add . && git commit -m "A first commit"
    git push {git_url} main

and for each job that waits, one invocation:

    aws lambda invoke --function-name {name} --qualifier live /dev/stdout

The jobs and their traces, as the REST API has them:

    curl -H "PRIVATE-TOKEN: $GITLAB_TOKEN" {gitlab}/api/v4/projects/{project}/jobs
    curl -H "PRIVATE-TOKEN: $GITLAB_TOKEN" {gitlab}/api/v4/projects/{project}/jobs/1/trace

Ctrl-C ends it all; nothing is kept.
"""


def run_up() -> int:
    terminal = Terminal()
    with (
        tempfile.TemporaryDirectory(prefix="runlet-localcloud-") as temporary,
        LocalCloud(Path(temporary) / "cloud") as cloud,
    ):
        folder = Path(temporary)
        runner = cloud.gitlab.create_runner(
            tags=["lambda"], run_untagged=True, maximum_timeout=RUNNER_TIMEOUT
        )
        project = cloud.gitlab.create_project("demo/site")
        program = find_program()
        environment = folder / "environment.sh"
        _write_environment(environment, cloud, folder, program, runner.token)
        terminal.heading("The local cloud is up")
        for what, where in (
            ("AWS endpoint", cloud.aws.endpoint_url),
            ("region, account", f"{cloud.aws.region}, {cloud.aws.account_id}"),
            ("GitLab", cloud.gitlab.url),
            ("project", project.web_url),
            ("runner token", runner.token),
        ):
            terminal.line(f"  {what:16} {where}")
        terminal.line()
        terminal.line(
            GUIDE.format(
                environment=environment,
                repo=REPO,
                folder=folder,
                example=EXAMPLE,
                terraform=program.name if program.is_absolute() else program,
                gitlab=cloud.gitlab.url,
                ca_layer=ca_layer(cloud, folder),
                git_url=project.git_url,
                name="runlet-quick-start",
                project=project.id,
            )
        )
        signal.pause()
    return 0


def _write_environment(
    file: Path, cloud: LocalCloud, folder: Path, program: Path, runner_token: str
) -> None:
    """A shell file with all that clients need; it holds tokens of this local cloud only."""
    assert cloud.gitlab.ca is not None
    variables = {
        **cloud.aws.variables(),
        "AWS_PAGER": "",
        "TF_CLI_CONFIG_FILE": str(write_cli_configuration(folder / "cli", program)),
        "GIT_SSL_CAINFO": str(cloud.gitlab.ca.file),
        "CURL_CA_BUNDLE": str(cloud.gitlab.ca.file),
        "GITLAB_TOKEN": cloud.gitlab.personal_token,
        "RUNNER_TOKEN": runner_token,
    }
    lines = [f"export {name}='{value}'\n" for name, value in variables.items()]
    lines.append("unset AWS_PROFILE AWS_SESSION_TOKEN\n")
    file.write_text("".join(lines))
