"""Waits by polling with a deadline, never by sleeping a guessed time."""

import time

# The maximum wait for anything that should happen. It is generous, because the machine may be busy
# or the build sanitized.
PATIENCE_S = 120.0
POLL_S = 0.02


def wait_for(condition, what, timeout_s=PATIENCE_S):
    """Calls condition() until it returns a truthy value, and returns that. Fails after the timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain for {what}")
        time.sleep(POLL_S)
