"""For vLLM's engine process: it ends when the process that started it is gone.

vLLM ends it in good order only. Once its owner was killed it would go on, and hold its GPU.
vLLM calls `tie_to_owner` in each of its processes, by the entry point `vllm.general_plugins`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

OWNER = "PYTEST_MODELEVAL_OWNER"
"""The variable that holds the id of a process whose engines are tied to it."""

PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>


def tie_to_owner() -> None:
    """Have the kernel kill this process with its owner. Nothing happens in processes that others
    have started, nor where the kernel is not Linux."""
    if sys.platform == "linux" and os.environ.get(OWNER) == str(os.getppid()):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
