"""LightEval's tasks as benchmarks: its prompts, documents and metrics, our models and runs.

Nothing here imports LightEval until a task of it is asked for: that takes many seconds and hundreds
of megabytes.
"""

from pytest_modeleval.integrations.lighteval.task import TaskFunction, lighteval_tasks

__all__ = ["TaskFunction", "lighteval_tasks"]
