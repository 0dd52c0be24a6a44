"""Benchmarks: what the package costs, beside what else a user could take. ``make bench`` runs all of them."""
