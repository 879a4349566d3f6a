"""Run a command and write its costs as JSON: ``python -I -S launch.py RESULT COMMAND...``.

A process of its own, which imports next to nothing: a child's peak memory begins with its parent's size.
"""

import json
import os
import sys
import time


def main() -> None:
    """Run the command, write its wall and processor seconds and peak memory, and exit with its status."""
    begin = time.perf_counter()
    child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, usage = os.wait4(child, 0)
    costs = {
        "wall s": time.perf_counter() - begin,
        "client CPU s": usage.ru_utime + usage.ru_stime,
        "peak MB": usage.ru_maxrss / 1024,
    }
    with open(sys.argv[1], "w") as file:
        json.dump(costs, file)
    sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
