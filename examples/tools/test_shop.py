"""A dialogue in which the model calls a tool until it knows the answer.

pytest --model=openai:NAME examples/tools
"""

import json

from pytest_modeleval import Message, Tool, benchmark, score
from pytest_modeleval.scorers import last_number

PRICES = {"apple": 3, "bread": 4, "cheese": 11}

PRICE_OF = Tool(
    name="price_of",
    description="The price of one article in the shop, in euros.",
    parameters={
        "type": "object",
        "properties": {"article": {"type": "string", "enum": list(PRICES)}},
        "required": ["article"],
    },
)

QUESTIONS = [
    {"id": "one", "question": "What does a loaf of bread cost?", "answer": "4"},
    {"id": "two", "question": "What do an apple and a cheese cost together?", "answer": "14"},
    {"id": "many", "question": "What do five apples and two loaves cost?", "answer": "23"},
]

MOST_TURNS = 6


def price_of(arguments: str) -> str:
    """What the tool replies. The model wrote `arguments`, so they may be anything."""
    try:
        return str(PRICES[json.loads(arguments)["article"]])
    except (ValueError, LookupError, TypeError):
        return f"Error: give an article, one of {', '.join(PRICES)}"


@benchmark(QUESTIONS, gates=["accuracy >= 0.6", "tool_calls <= 4"])
async def test_shop(sample, model):
    messages = [Message("user", f"{sample.input} End with the number alone.")]
    calls = 0
    for _ in range(MOST_TURNS):
        reply = await model.chat(messages, tools=[PRICE_OF])
        if not reply.tool_calls:
            break
        messages.append(Message("assistant", reply.text, tool_calls=reply.tool_calls))
        for call in reply.tool_calls:
            messages.append(Message("tool", price_of(call.arguments), tool_call_id=call.id))
        calls += len(reply.tool_calls)
    score("tool_calls", calls)
    assert last_number(reply.text) == sample.target
