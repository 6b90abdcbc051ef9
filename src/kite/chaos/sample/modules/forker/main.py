import os
import signal
import time

AT_ONCE = 200
alive: set[int] = set()


def burst(*_):
    for number in range(AT_ONCE):
        if len(alive) >= 2 * AT_ONCE:
            break
        child = os.fork()
        if child == 0:
            if number % 4 == 0 and os.fork() == 0:
                os.setsid()  # an orphan in a session of its own
            time.sleep(0.5)
            os._exit(0)
        alive.add(child)


def reap(*_):
    while alive:
        child, _ = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        alive.discard(child)


signal.signal(signal.SIGCHLD, reap)
signal.signal(signal.SIGUSR1, burst)
print("up", flush=True)
while True:
    time.sleep(60)
