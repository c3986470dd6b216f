"""The libraries that applications call other services with, and those that carry a request into another thread."""
