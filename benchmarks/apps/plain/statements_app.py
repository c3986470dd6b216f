"""The Flask application whose view asks a database in memory."""

from __future__ import annotations

import os
import sqlite3

from flask import Flask

app = Flask(__name__)
database = sqlite3.connect(":memory:", check_same_thread=False)
count = int(os.environ["CALLS_COUNT"])


@app.get("/users/<int:id>")
def user(id: int) -> str:
    cursor = database.cursor()
    for number in range(count):
        cursor.execute("SELECT ? WHERE ? > 0", (number, id)).fetchall()
    return f"user {id}"
