# Copyright: (c) 2026, scaleout.ingest contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""All variables of all hosts, checked on the controller before anything runs."""

from __future__ import annotations

from typing import Any, Iterable, Iterator

from ansible import context
from ansible.errors import AnsibleActionFail, AnsibleError, AnsibleUndefinedVariable
from ansible.module_utils.parsing.convert_bool import boolean
from ansible_collections.scaleout.ingest.plugins.plugin_utils import controller
from ansible_collections.scaleout.ingest.plugins.plugin_utils import variables as known_variables
from ansible_collections.scaleout.ingest.plugins.plugin_utils.on_controller import OnController
from ansible_collections.scaleout.ingest.plugins.plugin_utils.overlap import staged_because

ARGUMENTS = {
    "required": {"type": "list", "elements": "str", "default": []},
    "stages": {"type": "list", "elements": "str", "default": []},
}
_MOST = 12  # sentences that are said


class ActionModule(OnController):
    """Reads what is set for the hosts of the play. Touches no host."""

    ARGUMENTS = ARGUMENTS

    def act(self, options: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        """See :class:`.OnController`."""
        stages = _stages(options["stages"], variables, self._task.tags)
        hosts = list(variables.get("ansible_play_hosts") or [variables["inventory_hostname"]])
        problems: dict[str, list[str]] = {}
        for host in hosts:
            for problem in self._problems(host, variables, options["required"]):
                problems.setdefault(problem, []).append(host)
        if (
            stages
            and not {"preflight", "scan"} & set(stages)
            and not variables.get("ingest_run_dir")
        ):
            problems["ingest_run_dir is not set, and without it there is no run to go on with"] = []
        machine = controller.this_one(int(context.CLIARGS.get("forks") or 5))
        problems.update({problem: [] for problem in controller.problems(machine, len(hosts))})
        if problems:
            raise AnsibleActionFail(_sentences(problems, len(hosts)))
        batch = variables.get("ansible_play_batch") or hosts
        if len(batch) < len(hosts):
            self._display.warning(
                f"the play has serial ({len(batch)} of {len(hosts)} hosts at a time): each batch "
                "scans the whole tree and goes through all of it. Without serial all hosts share "
                "one scan and copy at once."
            )
        for warning in controller.warnings(machine, len(hosts)):
            self._display.warning(warning)
        overlaps = self._overlaps(variables, stages, len(batch) < len(hosts))
        facts = {"ansible_facts": {"_ingest_overlaps": True}} if overlaps else {}
        return {"changed": False, "stages": stages, **facts}

    def _overlaps(self, variables: dict[str, Any], stages: list[str], batches: bool) -> bool:
        """Whether this run copies while it scans."""

        def value(name: str) -> Any:
            return self._value(variables, name) if name in variables else None

        if not stages or not boolean(value("ingest_overlap") or False, strict=False):
            return False
        why = staged_because(value, stages, bool(self._task.check_mode), batches)
        if why:
            self._display.display(
                f"ingest_overlap: the source is scanned before anything is copied: {why}.",
                stderr=True,
            )
        return not why

    def _problems(self, host: str, variables: dict[str, Any], required: list[str]) -> Iterator[str]:
        """What is wrong with one host's variables."""
        here = variables["inventory_hostname"]
        found = variables if host == here else self._of(host, variables)
        specs = self._specs
        own = f"ingest_{variables.get('ingest_provider', '')}_"
        for name in known_variables.ours(found):
            if name in specs:
                value = self._value(found, name)
                problem = known_variables.wrong(name, value, specs[name])
                if problem:
                    yield problem
                if name in required and value in ("", [], None):
                    yield f"{name} is not set"
            elif own == "ingest__" or not name.startswith(own):
                yield known_variables.unknown(name, specs)
        for name in required:
            if name not in found and name not in variables:
                yield f"{name} is not set"

    def _of(self, host: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What is set for another host: by the inventory, by facts, on the command line."""
        return variables["hostvars"].raw_get(host)

    def _value(self, found: dict[str, Any], name: str) -> Any:
        """The value; None if it depends on what is only known later."""
        before = self._templar.available_variables
        self._templar.available_variables = found
        try:
            return self._templar.template(found[name])
        except AnsibleUndefinedVariable:
            return None
        except AnsibleError as error:
            raise AnsibleActionFail(f"{name}: {error}") from error
        finally:
            self._templar.available_variables = before

    @property
    def _specs(self) -> dict[str, known_variables.Spec]:
        if not hasattr(self, "_read"):
            self._read = known_variables.known()
        return self._read


def _stages(stages: list[str], variables: dict[str, Any], own: Iterable[str]) -> list[str]:
    """Those of the playbook's stages that this run's tags select; ``own`` are the tags of this
    task, of which one may be given to the whole playbook by another that imports it. Raises
    AnsibleActionFail: none is selected."""
    if not stages:
        return []
    wanted = set(variables.get("ansible_run_tags") or ["all"])
    skipped = set(variables.get("ansible_skip_tags") or [])
    everything = bool(wanted & ({"all", "tagged", *own} - {"always", *stages}))
    selected = [
        stage
        for stage in stages
        if (everything or stage in wanted) and not skipped & {stage, "tagged", "all"}
    ]
    if not selected:
        strange = sorted(wanted - {"all", "tagged", "untagged", "always", "never", *stages})
        words = f"there is no tag {_listed(strange)}" if strange else "the tags leave nothing to do"
        raise AnsibleActionFail(f"{words}: the tags of this playbook are {_listed(stages)}")
    return selected


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _sentences(problems: dict[str, list[str]], hosts: int) -> str:
    """All that is wrong, each with its hosts, if it is not wrong on all."""
    said = []
    for problem, where in problems.items():
        more = f" and {len(where) - 3} more" if len(where) > 3 else ""
        on = f" (on {_listed(where[:3])}{more})" if 0 < len(where) < hosts else ""
        said.append(problem + on)
    if len(said) > _MOST:
        said[_MOST:] = [f"And {len(said) - _MOST} more"]
    return " ".join(each if each.endswith("?") else each + "." for each in said)
