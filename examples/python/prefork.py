"""Workers forked from a process whose service is open already, as under ``gunicorn --preload``: ``python prefork.py``

Each worker verifies a code of its own, and all try one code at the same moment: one alone is told that it is right.
"""

import os
import sys
from typing import List

import libotp

WORKERS = 4


def work(otp: libotp.Service, number: int, shared: str) -> bool:
    own = otp.create(f"worker {number}", phone_number=f"39333000000{number}").code
    is_own_right = own is not None and otp.verify(f"worker {number}", own)
    check = otp.check("shared", shared)
    # In one piece: the others write too.
    print(f"worker {number}: own code {is_own_right}, shared code: {check.message}\n", end="", flush=True)
    return is_own_right


def main() -> None:
    repository = f"sqlite:{sys.argv[1]}" if len(sys.argv) > 1 else "sqlite:otp.db"
    with libotp.Service({"repository": repository, "sender": {"type": "none"}}) as otp:
        shared = otp.create("shared", phone_number="393331234567").code or ""
        workers: List[int] = []
        for number in range(1, WORKERS + 1):
            process = os.fork()
            if process == 0:
                # A child ends here, and runs nothing of the parent's.
                is_good = False
                try:
                    is_good = work(otp, number, shared)
                finally:
                    os._exit(0 if is_good else 1)
            workers.append(process)
        failed = sum(os.waitpid(worker, 0)[1] != 0 for worker in workers)
        print(f"{WORKERS} workers, {failed} failed")


if __name__ == "__main__":
    main()
