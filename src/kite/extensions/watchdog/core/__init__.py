"""What the Watchdog decides, without input or output: facts in, actions out, time passed in."""
