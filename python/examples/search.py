"""A search from Python, cell by cell as in a notebook: submit, follow, look at the frontier, train the winner's spec again.

    LAYERNAS_CONTROLLER=127.0.0.1:7060 python3 search.py spec.yaml
"""

# %% The controller is that of LAYERNAS_CONTROLLER; certificates and tokens come from the environment too.
import sys

import layernas

client = layernas.Client()
print("workers:", client.workers())

# %% A spec file, or the same as a dictionary.
search = client.submit(sys.argv[1])
print("submitted", search.id)

# %% Each change as it comes, until the end; a restart of the controller in between is no matter.
for change in search.watch():
    if isinstance(change, layernas.Candidate) and change.state in ("succeeded", "failed", "infeasible"):
        print(f"candidate {change.number}: {change.state}", "" if change.reward is None else f"{change.reward:.4f} at {change.cost:.4f}")
print(search.id, search.state)

# %% The best per target, and all that is worth having.
for target in search.best():
    print(f"target {target.target}:", target.best or f"nothing; the nearest is {target.nearest}")
print(search.frontier().to_pandas().to_string(index=False))
