import time

print("up", flush=True)
while True:
    print(("x" * 199 + "\n") * 100, end="", flush=True)
    time.sleep(0.1)
