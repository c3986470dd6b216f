"""Servers whose processes end in a way of their own."""
