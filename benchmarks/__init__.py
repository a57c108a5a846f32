"""Benchmarks: Falcon Auth against its limits and its peers, on one machine in one run."""
