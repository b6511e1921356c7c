"""Measures a student beside its control: maths benchmarks, Orca-Bench with a judge, and lm-eval's tasks."""
