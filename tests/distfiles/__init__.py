"""Tests of reading and judging distribution files."""
