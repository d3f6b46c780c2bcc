"""Python client of layernas: submit and watch searches, and read their results.

    import layernas

    client = layernas.Client("127.0.0.1:7060")
    search = client.submit("spec.yaml")
    for change in search.watch():
        print(change)
    print(search.frontier().to_pandas())

Use layernas.trainer to write a trainer in Python.
"""

import pkgutil

# The generated messages of the API may be in another directory.
__path__ = pkgutil.extend_path(__path__, __name__)

from layernas.client import Candidate, Client, Error, Frontier, Point, Search, Target, TaskLog  # noqa: E402
from layernas.spec import SpecError  # noqa: E402
from layernas.trainer import Infeasible, serve  # noqa: E402

__all__ = ["Candidate", "Client", "Error", "Frontier", "Infeasible", "Point", "Search", "SpecError", "Target", "TaskLog", "serve"]
