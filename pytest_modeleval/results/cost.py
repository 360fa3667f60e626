"""What a run cost, as a person reads it."""

from __future__ import annotations

from pytest_modeleval.results.record import RunResult, Spending


def dollars(amount: float) -> str:
    """US dollars as people write them; of a small amount the digits that matter."""
    if amount >= 0.1 or not amount:
        return f"${amount:,.2f}"
    return f"${amount:.2g}" if amount >= 0.0001 else f"${amount:.1e}"


def cost_line(result: RunResult) -> str | None:
    """What the run cost, helpers told apart, whose price is not known, and what the response cache
    saved. None where no money is in play: models on this machine, of which no price was said."""
    if result.cost is None and not result.saved.get("cost") and not _asks_an_api(result):
        return None
    parts = []
    if result.cost is not None:
        helpers = [f"{role} {dollars(cost)}" for role, cost in _helpers(result).items()]
        parts.append(dollars(result.cost) + (f" ({', '.join(helpers)})" if helpers else ""))
    unpriced = {
        alias: calls
        for alias, spending in result.models.items()
        if (calls := spending.usage.get("unpriced"))
    }
    if unpriced:
        what = ", ".join(f"{calls} calls to {alias}" for alias, calls in unpriced.items())
        parts.append(f"not known for {what} (no price or no token counts)")
    if saved := result.saved.get("cost"):
        parts.append(f"{dollars(saved)} saved by the response cache")
    return f"cost: {', '.join(parts)}" if parts else None


def _helpers(result: RunResult) -> dict[str, float]:
    found: dict[str, Spending] = {}
    for benchmark in result.benchmarks:
        for role, spending in benchmark.roles.items():
            if role != "model":
                found.setdefault(role, Spending()).add_all(spending)
    return {role: spending.cost for role, spending in found.items() if spending.cost is not None}


def _asks_an_api(result: RunResult) -> bool:
    details = (each.model_identity.get("details") or {} for each in result.benchmarks)
    return any("base_url" in each for each in details)
