import os
import sys
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.chdir("/")
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        os.execve(
            sys.executable, [sys.executable, "-S", "-E", "-c", "import time; time.sleep(1000)"], {}
        )
    os._exit(0)
os.wait()
print("up", flush=True)
time.sleep(1000)
