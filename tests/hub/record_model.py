"""Records what the executable model of the merge rules does in random runs, for test_model.c to replay through the hub.

Usage: record_model.py hub_model.py [runs] > model_runs.json
Each run is a list of batches `[deltas, total, elements, {replica: seq}]` with deltas
`[replica, first, last, cursor, [[replica, seq], ...], count | null, adds, removes]`; cursors are batch numbers from 1.
"""
import io, json, sys
from contextlib import redirect_stdout

path, runs = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
sys.argv = [path, '0']
model = {}
with redirect_stdout(io.StringIO()):
    exec(compile(open(path).read(), path, 'exec'), model)

def plain(delta):
    replica, first, last, cursor, extra, count, adds, removes = delta
    seen = {}
    for other, seq in extra:
        seen[other] = max(seq, seen.get(other, 0))
    return [replica, first, last, cursor, sorted(seen.items()), count, list(adds), list(removes)]

recorded = []
commit = model['Hub'].commit

def recording(hub, batch):
    acks = commit(hub, batch)
    live = sorted(e for e, dots in hub.dots.items() if dots)
    recorded[-1].append([[plain(d) for d in batch], hub.total, live, dict(sorted(hub.ledger.items()))])
    return acks

model['Hub'].commit = recording
for seed in range(runs):
    recorded.append([])
    model['run'](seed)
print(json.dumps([run for run in recorded if run], separators=(',', ':')))
