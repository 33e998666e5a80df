# SPDX-License-Identifier: Apache-2.0
"""Projects: a repository, its settings, and the pipelines that commits to it make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from localcloud.gitlab import ci_reader
from localcloud.gitlab.ci_config import CiConfig, CiConfigError, JobConfig
from localcloud.gitlab.pipelines import Pipeline, ref_variables
from localcloud.gitlab.repositories import NOBODY, Content, Gitlink, RefChange, Repository

if TYPE_CHECKING:
    from localcloud.gitlab.instance import Instance

CI_FILE = ".gitlab-ci.yml"
SKIP_MARKS = ("[skip ci]", "[ci skip]")


@dataclass(frozen=True)
class ProjectVariable:
    """A CI/CD variable of the project's settings; it wins over the file's."""

    value: str
    masked: bool = False
    protected: bool = False
    file: bool = False
    expand: bool = True


class Project:
    def __init__(self, instance: Instance, identifier: int, namespace_id: int, path: str) -> None:
        self._instance = instance
        self.id = identifier
        self.path = path
        self.namespace, _, self.name = path.rpartition("/")
        self.namespace_id = namespace_id
        self.default_branch = "main"
        self.protected_refs = {self.default_branch}
        self.timeout = 3600
        self.git_depth = 20
        self.variables: dict[str, ProjectVariable] = {}
        self.job_token_allowlist: set[str] = set()
        """Paths of other projects whose jobs may read this one by their tokens."""
        self.id_token_sub_components: tuple[str, ...] = ("project_path", "ref_type", "ref")
        self.pipelines: list[Pipeline] = []
        self.repository = Repository(
            instance.folder / "repositories" / f"{identifier}.git", self.default_branch
        )

    @property
    def web_url(self) -> str:
        return f"{self._instance.url}/{self.path}"

    @property
    def git_url(self) -> str:
        """Where git can clone and push, the personal access token included."""
        scheme, _, rest = self.web_url.partition("://")
        return f"{scheme}://root:{self._instance.personal_token}@{rest}.git"

    def commit(
        self,
        files: Mapping[str, Content],
        *,
        ref: str = "main",
        message: str = "Change files",
    ) -> Pipeline | None:
        """Commits files (None removes one) to a branch and returns the pipeline this makes.

        None where there is no `.gitlab-ci.yml`, no job for this ref, or `[skip ci]` in the
        message. Raises CiConfigError, and commits nothing, if `.gitlab-ci.yml` cannot be taken.
        """
        with self.repository.push_lock:
            content = files.get(CI_FILE)
            if content is not None and not isinstance(content, Gitlink):
                self._jobs(ci_reader.read(content), f"refs/heads/{ref}", "push", {})
            change = self.repository.commit(files, ref, message)
            return self._make_pipeline(change)

    def create_pipeline(
        self,
        ref: str = "main",
        variables: Mapping[str, str] | None = None,
        *,
        source: str = "api",
    ) -> Pipeline:
        """Runs the pipeline of a branch or tag as it is, as a person or a schedule does.

        `variables` win over all others. Raises CiConfigError, also where there is nothing to run.
        """
        for full in (f"refs/heads/{ref}", f"refs/tags/{ref}"):
            commit = self.repository.commit_of(full)
            if commit:
                change = RefChange(full, NOBODY, commit)
                pipeline = self._make_pipeline(change, source=source, variables=variables or {})
                if pipeline is None:
                    raise CiConfigError(f"there is nothing to run for {ref}")
                return pipeline
        raise CiConfigError(f"there is no branch or tag {ref}")

    def refs_changed(self, changed: list[RefChange]) -> list[Pipeline]:
        """Makes the pipelines of a push. What is wrong with a file shows in a failed pipeline."""
        pipelines = []
        for change in changed:
            try:
                pipeline = self._make_pipeline(change)
            except CiConfigError as error:
                pipeline = Pipeline(self._instance, self, change, yaml_errors=str(error))
                self._instance.add_pipeline(pipeline)
            if pipeline:
                pipelines.append(pipeline)
        return pipelines

    def _make_pipeline(
        self,
        change: RefChange,
        *,
        source: str = "push",
        variables: Mapping[str, str] | None = None,
    ) -> Pipeline | None:
        message = self.repository.message(change.after)
        if source == "push" and any(mark in message for mark in SKIP_MARKS):
            return None
        content = self.repository.file(change.after, CI_FILE)
        if content is None:
            return None
        config = ci_reader.read(content)
        own = dict(variables or {})
        jobs = self._jobs(config, change.ref, source, own)
        if not jobs:
            return None
        pipeline = Pipeline(
            self._instance,
            self,
            change,
            message=message,
            source=source,
            variables=config.variables,
            own_variables=own,
        )
        pipeline.add_jobs(jobs, config.stages)
        self.repository.keep(change.after, f"refs/pipelines/{pipeline.id}")
        self._instance.add_pipeline(pipeline)
        return pipeline

    def _jobs(
        self, config: CiConfig, ref: str, source: str, variables: Mapping[str, str]
    ) -> list[JobConfig]:
        predefined = {
            **ref_variables(ref),
            "CI_PIPELINE_SOURCE": source,
            "CI_DEFAULT_BRANCH": self.default_branch,
            "CI_PROJECT_PATH": self.path,
        }
        settings = {name: variable.value for name, variable in self.variables.items()}
        return config.jobs_for(predefined, {**settings, **variables})
