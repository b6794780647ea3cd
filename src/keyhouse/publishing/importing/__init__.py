"""Bringing in what another index, or a folder, holds: find it, judge it, publish it with its history."""
