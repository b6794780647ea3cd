"""Tests; the folders mirror `src/keyhouse`."""
