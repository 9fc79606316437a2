# A terminal of 24 x 80 with a program on it, and a script of steps on stdin, as JSON:
#   [{"send": "text"}, {"expect": "regular expression"}, {"resize": [rows, columns]}, ...]
# Each `expect` looks at what came since the last one matched, and waits 10 s at most. Prints what the terminal showed
# and exits with the program's exit code; 99 where an expectation was not met.
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

LIMIT = 10


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


steps = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    time.sleep(0.1)  # until the size is set
    os.execvp(sys.argv[1], sys.argv[1:])
resize(terminal, 24, 80)
shown = ""
seen = 0


def read(until):
    """False where the terminal has ended or the time is over."""
    global shown
    ready, _, _ = select.select([terminal], [], [], max(0, until - time.monotonic()))
    if not ready:
        return False
    try:
        chunk = os.read(terminal, 65536)
    except OSError:
        return False
    shown += chunk.decode(errors="replace")
    return chunk != b""


def fail(step):
    os.kill(pid, signal.SIGKILL)
    sys.stdout.write(f"{shown}\nnot met: {step}, after {shown[seen:]!r}\n")
    sys.exit(99)


for step in steps:
    if "send" in step:
        os.write(terminal, step["send"].encode())
    elif "resize" in step:
        resize(terminal, *step["resize"])
    else:
        until = time.monotonic() + LIMIT
        while not (found := re.search(step["expect"], shown[seen:])):
            if not read(until):
                fail(step)
        seen += found.end()
until = time.monotonic() + LIMIT
while read(until):
    pass
_, status = os.waitpid(pid, 0)
sys.stdout.write(shown)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
