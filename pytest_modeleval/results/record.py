"""The records of a run: what the files hold, and what travels from a worker to the controller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = "1.0"
"""Of results.json and leaderboard.json: a new major number where a reader of the old one breaks."""

Outcome = Literal["right", "wrong", "error", "not_run", "skipped"]
CallKind = Literal["chat", "complete", "loglikelihood", "perplexity", "letters"]


@dataclass(slots=True)
class Call:
    """One call to a model. `messages` are dicts of role and content; a completion has one of role
    "prompt". A call of kind "letters" is `model.choose` answered by a letter. `loglikelihoods` are
    dicts of continuation, sum, tokens, is_greedy. `step` names the step of a task that made it,
    where a task is a chain of steps; a body's own calls have none. `queue_s` is how long the call
    waited for a free slot, `attempts` how often it was sent, `cost` is in US dollars; a `cached`
    reply was not sent for at all, and `saved` is what it had cost. A call that failed has neither a
    reply nor log-likelihoods. `endpoint` is the fallback that answered, None for the model's own.
    """

    role: str
    model: str
    kind: CallKind
    messages: list[dict[str, Any]]
    reply: str | None = None
    tool_calls: list[dict[str, str]] = field(default_factory=list)
    loglikelihoods: list[dict[str, Any]] = field(default_factory=list)
    sampling: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, int | None] = field(default_factory=dict)
    cost: float | None = None
    ttft_s: float | None = None
    tpot_s: float | None = None
    latency_s: float | None = None
    queue_s: float | None = None
    attempts: int = 1
    cached: bool = False
    saved: float | None = None
    step: str | None = None
    endpoint: str | None = None


@dataclass(slots=True)
class SampleResult:
    """What became of one epoch of one sample: a row of the details file.

    `input` and `target` are text (JSON where they are not strings); `error` is one sentence,
    `explanation` what a wrong sample's assertion says. `values` are what the body recorded for
    metrics over all samples. `gpus` are those that the run gave to the worker for itself, as
    CUDA_VISIBLE_DEVICES has them. `digests` are 32 hex digits each, by kind (`digests.KINDS`); none
    where no body ran.
    """

    benchmark: str
    model: str
    id: str
    epoch: int
    outcome: Outcome
    input: str = ""
    target: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    error: str | None = None
    explanation: str | None = None
    seed: int = 0
    cluster: str | None = None
    worker: str = "main"
    gpus: str | None = None
    digests: dict[str, str | None] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)


@dataclass(slots=True)
class Metric:
    """A metric over a benchmark's samples; `lower` and `upper` are its 95 % interval, None where
    there are too few values. With several epochs `between` is its variance between samples, and
    `within` that between the epochs of a sample."""

    value: float
    lower: float | None
    upper: float | None
    n: int
    between: float | None = None
    within: float | None = None


@dataclass(slots=True)
class ReliabilityBin:
    """The samples whose confidence is above `lower` and at most `upper`: their mean confidence, and
    the share of them that were right. Both None where there are none."""

    lower: float
    upper: float
    n: int
    confidence: float | None
    accuracy: float | None


@dataclass(slots=True)
class Calibration:
    """How well `confidence` foretells a right answer, over `n` samples: the expected calibration
    error over ten bins of equal width (`ece`) and of equal mass (`adaptive_ece`), the Brier score,
    and the bins of equal width."""

    n: int
    ece: float
    adaptive_ece: float
    brier: float
    bins: list[ReliabilityBin] = field(default_factory=list)


@dataclass(slots=True)
class GateRecord:
    """A gate's verdict. `slack` is value minus threshold in the gate's own direction (negative: it
    does not hold).

    Against a baseline `tolerance` is the margin, `difference` the change from the baseline over the
    `compared` samples, `lower` and `upper` its interval, with each end at alpha, and `better` and
    `worse` count the samples; `better_ids` and `worse_ids` name the first of them. `p_adjusted` is
    the p-value corrected for the number of gates, and `detectable` the smallest change for the
    worse that so many samples would have shown with a power of 80 %.
    """

    name: str
    expression: str
    verdict: Literal["passed", "failed", "undecided", "not judged"]
    reason: str | None = None
    value: float | None = None
    threshold: float | None = None
    slack: float | None = None
    tolerance: float | None = None
    lower: float | None = None
    upper: float | None = None
    method: str | None = None
    alpha: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    difference: float | None = None
    detectable: float | None = None
    compared: int | None = None
    better: int | None = None
    worse: int | None = None
    better_ids: list[str] = field(default_factory=list)
    worse_ids: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Spending:
    """What calls took: `usage` counts requests (each attempt is one), tokens, and `unpriced` calls,
    whose cost is not known; `cost` is in US dollars, None where none is known. What came from the
    response cache is not in these but in `saved`: calls, tokens and cost that it took before."""

    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    saved: dict[str, float] = field(default_factory=dict)

    def add(self, call: Call) -> None:
        tokens = {name: count for name, count in call.usage.items() if count is not None}
        if call.cached:
            cost = {} if call.saved is None else {"cost": call.saved}
            _add(self.saved, {"calls": 1, **tokens, **cost})
            return
        _add(self.usage, {"requests": call.attempts, **tokens})
        if call.endpoint is not None:
            _add(self.usage, {"fallback": 1})
        if call.cost is None:
            _add(self.usage, {"unpriced": 1})
        else:
            self.cost = (self.cost or 0.0) + call.cost

    def add_all(self, other: Spending) -> None:
        _add(self.usage, other.usage)
        _add(self.saved, other.saved)
        if other.cost is not None:
            self.cost = (self.cost or 0.0) + other.cost


def _add(sums: dict[str, Any], more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        sums[name] = sums.get(name, 0) + amount


@dataclass(slots=True)
class Hashes:
    """SHA-256, in hex, of what a benchmark is and of what its samples were asked, shown, sent and
    got back; None where there is nothing of the kind.

    `task` is of what defines it: a Python body's source text, or the table of a task as data.
    `inputs` are the samples' inputs and targets, `few_shot` their examples, `prompts` all requests
    as they were sent, with their sampling, and `outputs` the replies. The order in which samples
    arrive does not matter.
    """

    task: str | None = None
    inputs: str | None = None
    few_shot: str | None = None
    prompts: str | None = None
    outputs: str | None = None


@dataclass(slots=True)
class BenchmarkResult:
    """One benchmark with one model: an entry of `benchmarks` in results.json. `refusal` says why
    none of it ran: its dataset is not at hand, or the model cannot do what it asks. `few_shot` is
    how many solved examples each sample was shown. `choose_by` is
    "letters" where model.choose took letters in place of log-likelihoods. `usage`, `cost` and
    `saved` are of all calls, as in Spending; `roles` tells them apart by role."""

    name: str
    model: str
    samples: dict[str, int]
    metrics: dict[str, Metric] = field(default_factory=dict)
    gates: list[GateRecord] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    saved: dict[str, float] = field(default_factory=dict)
    roles: dict[str, Spending] = field(default_factory=dict)
    timing: dict[str, float | None] = field(default_factory=dict)
    performance: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    model_identity: dict[str, Any] = field(default_factory=dict)
    few_shot: int = 0
    dataset_fingerprint: str | None = None
    hashes: Hashes = field(default_factory=Hashes)
    refusal: str | None = None
    choose_by: str | None = None
    calibration: Calibration | None = None


@dataclass(slots=True)
class PluginRecord:
    """An installed distribution that took part in a run. `provides` names what it brings, by kind:
    backends, datasets, scorers, packs, writers (of result files)."""

    name: str
    version: str
    provides: dict[str, list[str]] = field(default_factory=dict)


@dataclass(slots=True)
class JobRecord:
    """The job that asked for the run: its id, the SHA-256 of its file, and its tags."""

    id: str
    hash: str
    tags: dict[str, str]


@dataclass(slots=True)
class PackTaskResult:
    """A task of a pack with one model: `value` is the mean of its primary `metric` over its
    `benchmarks`, with its interval; None with a `reason`. `judged` and `errors` count samples."""

    name: str
    benchmarks: list[str]
    metric: str
    weight: float
    value: float | None = None
    lower: float | None = None
    upper: float | None = None
    judged: int = 0
    errors: int = 0
    reason: str | None = None


@dataclass(slots=True)
class PackResult:
    """A pack with one model: an entry of `packs` in results.json. `score` is the mean of its tasks'
    values by `aggregate`, `lower` and `upper` its interval at the policy's confidence; `reason`
    says why it does not count, or is not there. `file` is where the node ids of its tasks begin,
    `hash` the SHA-256 of the file."""

    name: str
    version: str
    file: str
    hash: str
    model: str
    aggregate: str
    policy: dict[str, Any]
    score: float | None = None
    lower: float | None = None
    upper: float | None = None
    reason: str | None = None
    tasks: list[PackTaskResult] = field(default_factory=list)
    gates: list[GateRecord] = field(default_factory=list)


@dataclass(slots=True)
class RunResult:
    """A whole run: results.json is this, as it is.

    `stopped` says why the run is not complete, where that is known.
    `gate_correction` says how gates against a baseline were corrected for their number.
    `samples` of a benchmark counts planned, right, wrong, error, not_run (and skipped), and
    not_needed: those that --early-stop left out.
    `errors` are the first few, each {id, epoch, error}; `timing` has started, duration_s,
    samples_per_s, tokens_per_s. `usage`, `cost` and `saved` are of all calls, as in Spending;
    `models` tells them apart by the model that was asked, whatever its role. `resources` is what
    the run took of its machine, `plugins` the distributions of others that had a part in it,
    `job` the file that asked for it, if any, `packs` the packs that were run, with their scores.
    `restarts` is how often an engine of the run's processes died and was started anew.
    """

    run_id: str
    complete: bool
    verdict: Literal["passed", "failed", "undecided"]
    environment: dict[str, Any]
    benchmarks: list[BenchmarkResult]
    stopped: str | None = None
    usage: dict[str, int] = field(default_factory=dict)
    cost: float | None = None
    saved: dict[str, float] = field(default_factory=dict)
    models: dict[str, Spending] = field(default_factory=dict)
    gate_correction: str = "none"
    resources: dict[str, Any] | None = None
    plugins: list[PluginRecord] = field(default_factory=list)
    job: JobRecord | None = None
    packs: list[PackResult] = field(default_factory=list)
    restarts: int = 0
    schema_version: str = SCHEMA_VERSION

    @property
    def judged(self) -> list[BenchmarkResult | PackResult]:
        """All that gates speak of."""
        return [*self.benchmarks, *self.packs]
