"""What Python runs first under `autotrace run`: arm it, then be the sitecustomize that this file hides.

Every Python below the launcher meets this file, so it is plain enough for any version since 2.7.
"""

import os
import sys


def arm():
    version, _, prefix = os.environ.get("_AUTOTRACE_PYTHON", "").partition(":")
    # Another version, or another environment, cannot import what was installed for the launcher's.
    if version != "{}.{}".format(*sys.version_info[:2]):
        return
    if prefix != sys.prefix and os.path.realpath(prefix) != os.path.realpath(sys.prefix):
        return
    try:
        from autotrace import bootstrap

        bootstrap.arm()
    except Exception as error:
        say("cannot start in " + sys.executable + " (" + type(error).__name__ + ": " + str(error) + ")")


def say(text):
    line = "autotrace: " + text.replace("\n", " ") + "; the application runs untraced\n"
    try:  # noqa: SIM105 - Python 2 has no contextlib.suppress
        os.write(2, line.encode("utf-8", "backslashreplace"))
    except OSError:
        pass


# Python 2 empties the namespace of a module that nobody holds, even while its code still runs.
this = sys.modules.pop(__name__)
sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(__file__)]
arm()
# With this directory off the path, the ordinary import finds the file that Python would have run without us,
# or raises the very ImportError by which Python knows that there is none. What that file raises is its own.
import sitecustomize  # noqa: E402, F401
