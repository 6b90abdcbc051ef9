"""What holds for all tests."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# How long an example takes depends on what else the machine does, and is no mistake.
settings.register_profile("kite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kite")

# A runner in the background of a script ignores what a terminal sends, and programs inherit that:
# those that are interrupted here must hear it, wherever the tests run.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
for _number in (signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)
