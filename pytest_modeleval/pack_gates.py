"""The gates on a pack's score as pytest items, and what the pack sets out to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import UNSET

from pytest_modeleval.gates import Gate, parse_gates
from pytest_modeleval.items import JudgedItem
from pytest_modeleval.pack_tally import PackPlan
from pytest_modeleval.registry.reading import RESERVED, task_name
from pytest_modeleval.results.record import GateRecord
from pytest_modeleval.stash import RUN

if TYPE_CHECKING:
    from pytest_modeleval.group import SampleGroup
    from pytest_modeleval.packs import PackModule
    from pytest_modeleval.scoreboard import Scoreboard


class Member(NamedTuple):
    """A benchmark with one model, and the task of the pack that it belongs to."""

    task: str
    metric: str
    model: str
    benchmark: str


class PackGateItem(JudgedItem):
    """A gate on a pack's score: `core.pack.toml::pack[gate:score]`, behind everything else."""

    def __init__(self, *, pack: PackModule, model: str, gate: Gate, **rest: Any) -> None:
        super().__init__(gate=gate, **rest)
        self.pack = pack
        self.model = model

    @classmethod
    def of_pack(cls, pack: PackModule) -> Iterator[PackGateItem]:
        """One for each gate and model."""
        models = list(pack.config.stash[RUN].models.specs) or [""]
        for model in models:
            prefix = f"{model}-" if len(models) > 1 else ""
            for gate in parse_gates(pack.gate_texts):
                name = f"{RESERVED}[{prefix}gate:{gate.name}]"
                yield cls.from_parent(pack, name=name, pack=pack, model=model, gate=gate)

    def speaks_of(self, group: SampleGroup) -> bool:
        """Whether the score is made of the group's results, too."""
        return group.pack is self.pack and group.model == self.model

    def judged(self, scoreboard: Scoreboard) -> GateRecord:
        return scoreboard.judge_pack(self.pack.nodeid, self.model, self.gate)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, 0, self.name


def pack_plan(pack: PackModule, model: str) -> PackPlan:
    """What a pack sets out to do with a model; all of it is collected, and selected."""
    info = pack.pack_file.pack.pack
    members = [member for member in pack.members if member.model == model]
    tasks = []
    for task in pack.pack_file.pack.task:
        own = [member for member in members if member.task == task_name(task)]
        metric = own[0].metric if own else task.metric
        benchmarks = [member.benchmark for member in own]
        tasks.append(
            {
                "name": task_name(task),
                "metric": metric,
                "weight": task.weight,
                "benchmarks": benchmarks,
            }
        )
    policy = info.policy
    required = policy.required if policy.required is not UNSET else [each["name"] for each in tasks]
    several = len(pack.config.stash[RUN].models.specs) > 1
    gates = parse_gates(pack.gate_texts)
    return PackPlan(
        name=info.name,
        version=info.version,
        file=pack.nodeid,
        hash=pack.pack_file.digest,
        model=model,
        node_prefix=f"{pack.nodeid}::{RESERVED}[{f'{model}-' if several else ''}",
        location=(pack.nodeid, 0, RESERVED),
        aggregate=info.aggregate,
        policy={
            "required": list(required),
            "max_errors": policy.max_errors,
            "min_samples": policy.min_samples,
            "confidence": policy.confidence,
        },
        tasks=tasks,
        gates=pack.gate_texts,
        left_out=[each.name for each in gates if (model, each.name) not in pack.selected_gates],
    )
