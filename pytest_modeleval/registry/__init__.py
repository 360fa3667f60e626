"""Benchmarks as data: packs of tasks, and the plugins that tasks need. Nothing here imports
pytest."""
