"""The workflows, which cannot run here: what they name exists, and what one job takes another has made."""

from __future__ import annotations

import fnmatch
import itertools
import re
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is in the extra cli")

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github/workflows").glob("*.yml"))
}
JOBS = [
    pytest.param(job, id=f"{file}-{name}") for file, flow in WORKFLOWS.items() for name, job in flow["jobs"].items()
]
CONTEXTS_OF_A_JOBS_IF = {"github", "inputs", "needs", "vars"}
FUNCTIONS = {"always", "cancelled", "failure", "success", "contains", "startsWith", "endsWith", "format", "fromJSON"}


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def artifacts(job: dict[str, Any], action: str, key: str) -> list[str]:
    """Return what its steps upload or download: names, one for each entry of the matrix, or patterns."""
    named = [step["with"][key] for step in job["steps"] if action in step.get("uses", "") and key in step["with"]]
    matrix = {name: values for name, values in job.get("strategy", {}).get("matrix", {}).items() if name in str(named)}
    entries = [dict(zip(matrix, values, strict=True)) for values in itertools.product(*matrix.values())]
    found = []
    for name, entry in itertools.product(named, entries):
        for variable, value in entry.items():
            name = name.replace(f"${{{{ matrix.{variable} }}}}", value)
        found.append(name)
    return found


def test_workflows_are_there() -> None:
    assert set(WORKFLOWS) == {"ci.yml", "fuzz.yml", "wheels.yml"}


@pytest.mark.parametrize("job", JOBS)
def test_workflow_conditions_use_what_a_job_may(job: dict[str, Any]) -> None:
    """A job's `if` is read before its matrix; one that names the matrix makes the whole file invalid."""
    words = re.sub(r"'[^']*'", "", job.get("if", ""))
    used = set(re.findall(r"(?<![.\w])([A-Za-z]\w*)", words))
    assert used <= CONTEXTS_OF_A_JOBS_IF | FUNCTIONS


@pytest.mark.parametrize("job", JOBS)
def test_workflow_commands_name_what_exists(job: dict[str, Any]) -> None:
    named = re.findall(r"\b(?:tools|requirements|eventstream)[/\\][\w./\\-]+", commands(job))
    missing = [name for name in named if not (ROOT / name.replace("\\", "/")).exists()]
    assert missing == []
    targets = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    made = [word for line in re.findall(r"\bmake (.+)", commands(job)) for word in line.split() if "=" not in word]
    assert set(made) <= set(targets[0].split())


@pytest.mark.parametrize("flow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_workflow_grants_nothing_to_all_jobs(flow: dict[str, Any]) -> None:
    assert flow["permissions"] == {}
    writing = [name for name, job in flow["jobs"].items() if "write" in job["permissions"].values()]
    assert writing == (["publish"] if "publish" in flow["jobs"] else [])


def test_workflow_publishes_what_its_jobs_have_made() -> None:
    jobs = WORKFLOWS["wheels.yml"]["jobs"]
    (pattern,) = artifacts(jobs["publish"], "download-artifact", "pattern")
    sdist = artifacts(jobs["sdist"], "upload-artifact", "name")
    wheels = artifacts(jobs["wheels"], "upload-artifact", "name")
    assert len(wheels) == len(set(wheels)) == len(jobs["wheels"]["strategy"]["matrix"]["os"])
    assert all(fnmatch.fnmatch(name, pattern) for name in sdist + wheels)
    assert artifacts(jobs["wheels"], "download-artifact", "name")[0] in sdist
    assert set(jobs["publish"]["needs"]) == {"sdist", "wheels"}


def test_workflow_publishes_tags_only() -> None:
    flow = WORKFLOWS["wheels.yml"]
    triggers = flow[True]  # YAML 1.1 takes the word `on` for this
    assert triggers == {"push": {"tags": ["v*"]}, "workflow_dispatch": None}
    publish = flow["jobs"]["publish"]
    assert (publish["if"], publish["environment"]) == ("github.event_name == 'push'", "release")
    assert publish["permissions"] == {"id-token": "write"}
    assert not any("run" in step for step in publish["steps"])
