"""What Prefect, Dask and the driver cost: a run of 20,000 images, and how much of it the workers did not work.

    python benchmarks/orchestration.py                    # 20,000 images, two workers, the embedded server
    python benchmarks/orchestration.py --count 2000

`idle` is the workers' time from make through seal that they did not spend in a unit or a shard; `before and after` is
the rest of the command: starting, Prefect's embedded server, the cluster, listing, commit, card and report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from throughput import PIPELINE, PROCESSES, SIDE, collect


def main() -> None:
    """Run once and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="how many images")
    parser.add_argument("--photos", type=Path, help="a folder of JPEG files; by default made from scikit-image's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imagemill-bench-") as folder:
        work = Path(folder)
        collect(work / "photos", options.photos, options.count)
        file = work / "pipelines.yaml"
        file.write_text(PIPELINE.format(source=work / "photos", side=SIDE, processes=PROCESSES))
        command = [sys.executable, "-m", "flows.cli", "run", "throughput", "--file", str(file), "--json", "--quiet"]
        first = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        again = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    idle = 1 - first["busy"] / (PROCESSES * first["working"])
    print(f"{first['sources']:,} images, {PROCESSES} workers")
    print(f"make through seal   {first['working']:8.1f} s  {first['images_per_second']:,.0f} images/s")
    print(f"  idle              {100 * idle:8.1f} %")
    print(f"before and after    {first['seconds'] - first['working']:8.1f} s  {json.dumps(first['stages'])}")
    print(f"unchanged run       {again['seconds']:8.2f} s  (made {again['made']})")


if __name__ == "__main__":
    main()
