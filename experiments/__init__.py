"""Experiments that take longer than a chapter; each leaves records that a chapter reads."""
