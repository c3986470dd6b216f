"""Tests of the local store and of the pages that show it."""
