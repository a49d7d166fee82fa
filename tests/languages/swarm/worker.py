"""One of a swarm, in Python: see ``tests/languages/swarm.rs``."""

import sys
import time

import libotp


def main(config: str) -> None:
    with libotp.Service(config) as otp:
        print("ready", flush=True)
        for line in sys.stdin:
            token, code, start = line.split()
            time.sleep(max(0.0, int(start) / 1e6 - time.time()))
            print(otp.check(token, code).result.name, flush=True)


main(sys.argv[1])
