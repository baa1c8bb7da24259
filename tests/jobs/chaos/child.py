"""The child of the chaos kind: hashes step by step, and dies with the thread that started it.

Reads lines {"number", "steps", "at", "value"}; answers a line {"at", "value"} after each step. Runs as
`python -I -S child.py PARENT`, so it knows the standard library alone and starts in milliseconds.
"""

import ctypes
import hashlib
import json
import os
import signal
import sys
import time

if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    for line in sys.stdin:
        asked = json.loads(line)
        value = asked["value"]
        for at in range(asked["at"], asked["steps"]):
            for _ in range(200):
                value = hashlib.sha256(f"{value}/{asked['number']}/{at}".encode()).hexdigest()
            time.sleep(asked["pause"])
            print(json.dumps({"at": at + 1, "value": value}), flush=True)
