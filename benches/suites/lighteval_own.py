"""LightEval's own command, offline: lighteval_own.py FOLDER ARGUMENTS…

What it would fetch from the network before it starts is left out, which only spares it time:
judges, tinyBenchmarks, nltk's data, prices. Caches are FOLDER's own.
"""

from __future__ import annotations

import os
import sys
import types


def main() -> None:
    folder = sys.argv.pop(1)
    os.chdir(folder)
    os.environ.update(
        HF_HOME=folder, HF_HUB_OFFLINE="1", HOME=folder, LITELLM_LOCAL_MODEL_COST_MAP="True"
    )
    for name in ("tiny_benchmarks", "mt_bench", "mt_bench.main", "mix_eval", "mix_eval.main"):
        module = f"lighteval.tasks.tasks.{name}"
        sys.modules[module] = types.ModuleType(module)
    import nltk

    nltk.download = lambda *names, **named: False
    from lighteval.__main__ import app

    app()


if __name__ == "__main__":
    main()
