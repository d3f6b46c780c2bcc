"""Searches of layernas from Python: submit, follow, and read what was found.

    import layernas

    client = layernas.Client("127.0.0.1:7060")
    search = client.submit("spec.yaml")
    for change in search.watch():
        print(change)
    print(search.frontier().to_pandas())

A trainer in Python begins with layernas.trainer.
"""

import pkgutil

# The generated messages of the API may lie in a folder of their own.
__path__ = pkgutil.extend_path(__path__, __name__)

from layernas.client import Candidate, Client, Error, Frontier, Point, Search, Target, TaskLog  # noqa: E402
from layernas.spec import SpecError  # noqa: E402
from layernas.trainer import Infeasible, serve  # noqa: E402

__all__ = ["Candidate", "Client", "Error", "Frontier", "Infeasible", "Point", "Search", "SpecError", "Target", "TaskLog", "serve"]
