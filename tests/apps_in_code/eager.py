"""A Flask application that answers a request of its own while it is imported: `gunicorn eager:app`."""

from __future__ import annotations

from flask import Flask

app = Flask("eager")
app.add_url_rule("/users/<int:id>", "user", lambda id: f"user {id}")
assert app.test_client().get("/users/0", headers={"traceparent": f"00-{1:032x}-{1:016x}-01"}).status_code == 200
