"""Submit a search from Python, follow it to its end, and print its results. The cells (# %%) also run in a notebook.

    LAYERNAS_CONTROLLER=127.0.0.1:7060 python3 search.py spec.yaml
"""

# %% Connect to the controller that LAYERNAS_CONTROLLER names. Certificates and tokens come from the environment too.
import sys

import layernas

client = layernas.Client()
print("workers:", client.workers())

# %% Submit a spec file. A dictionary with the same content works too.
search = client.submit(sys.argv[1])
print("submitted", search.id)

# %% Print each change until the search ends. watch() continues after a restart of the controller.
for change in search.watch():
    if isinstance(change, layernas.Candidate) and change.state in ("succeeded", "failed", "infeasible"):
        print(f"candidate {change.number}: {change.state}", "" if change.reward is None else f"{change.reward:.4f} at {change.cost:.4f}")
print(search.id, search.state)

# %% Print the best candidate for each target, and the frontier.
for target in search.best():
    print(f"target {target.target}:", target.best or f"nothing; the nearest is {target.nearest}")
print(search.frontier().to_pandas().to_string(index=False))
