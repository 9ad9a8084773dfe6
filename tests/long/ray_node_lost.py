"""Do 200 runs of a second on a Ray cluster of this machine, and take a node away in the middle.

    python tests/long/ray_node_lost.py --runs 200 --seconds 1

The runs train nothing: each waits, and notes that it began. Ends with an error unless every run is
reported as done once and has one record, and none began again after its record was written.
"""

import argparse
import collections
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from augspec.ablation.execute import Place, Runner, over_cluster

CPUS = 2  # of each node


class Waiting(Runner):
    """A runner whose runs wait as long as their config says."""

    def _train(self, config, fabric, folder, progress):
        with (folder / "begun").open("a") as file:
            file.write(f"{time.time()}\n")
        time.sleep(config["seconds"])
        return {"config": config, "ended": time.time()}


@dataclass(frozen=True)
class Found:
    """What became of the runs."""

    reported: collections.Counter  # states
    records: int
    before: int  # records when the node was taken away
    again: int  # runs that began more than once
    seconds: float


def ray_node_lost(out, runs, seconds):
    """Do the runs; take the first node away when a third is done, and give another for it."""
    import ray
    from ray.cluster_utils import Cluster

    configs = [
        {"arm": "none", "seed": seed, "precision": "32-true", "seconds": seconds}
        for seed in range(runs)
    ]
    place = Place(out, accelerator="cpu")
    (out / "runs").mkdir(parents=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    started, before, states, names = time.monotonic(), 0, collections.Counter(), set()
    try:
        first = cluster.add_node(num_cpus=CPUS)
        cluster.add_node(num_cpus=CPUS)
        for config, state in over_cluster(configs, place, cluster.address, "", Waiting):
            states[state] += 1
            names.add(config["seed"])
            if states.total() == runs // 3:
                before = len(list((out / "runs").glob("*.json")))
                cluster.remove_node(first, allow_graceful=False)
                cluster.add_node(num_cpus=CPUS)
    finally:
        ray.shutdown()
        cluster.shutdown()
    records = [json.loads(path.read_text()) for path in (out / "runs").glob("*.json")]
    begun = {record["config"]["seed"]: _begun(place, record) for record in records}
    repeated = [times for times in begun.values() if len(times) > 1]
    assert names == set(begun) == set(range(runs))
    # A busy machine may lose more nodes than the one: Ray gives up those that it does not hear.
    ended = {record["config"]["seed"]: record["ended"] for record in records}
    assert all(times[-1] <= ended[seed] for seed, times in begun.items())
    return Found(states, len(records), before, len(repeated), time.monotonic() - started)


def _begun(place, record):
    text = (place.folder(record["config"]) / "begun").read_text()
    return [float(line) for line in text.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = ray_node_lost(Path(folder) / "out", options.runs, options.seconds)
    print(f"reported: {dict(found.reported)}, {found.records} records")
    print(f"{found.before} records when the node was lost, {found.again} runs began again")
    print(f"{found.seconds:.0f} s")
    return int(found.reported != {"done": options.runs} or found.records != options.runs)


if __name__ == "__main__":
    sys.exit(main())
