"""A Flask application that logs everything: `gunicorn loud:app` writes it to the file that APP_LOG names."""

from __future__ import annotations

import http.client
import logging
import os

from flask import Flask

logging.basicConfig(filename=os.environ["APP_LOG"], level=logging.DEBUG)
logging.captureWarnings(True)
# It prints what every connection of this process sends and gets.
http.client.HTTPConnection.debuglevel = 1
app = Flask("loud")
app.add_url_rule("/users/<int:id>", "user", lambda id: f"user {id}")
logging.getLogger("loud").debug("the application is up")
