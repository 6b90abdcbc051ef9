"""`kite conformance`: whether a module written with some SDK behaves as the contract says.

Like `kite chaos` it knows Kite from outside only: by command line, API, Event Hub and files.
`protocol/conformance.md` says what the module under test has to do.
"""
