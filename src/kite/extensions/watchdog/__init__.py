"""The Watchdog: tells what stays unhealthy, with evidence, and asks the Launcher to restart it."""
