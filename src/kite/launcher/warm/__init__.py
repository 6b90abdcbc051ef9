"""Warm start: Python modules are forked from a process that has imported what they all import.

`template` is the Launcher's end, `nursery` keeps one alive; `mother` runs in the template, and
`newborn`, `title` and `main_program` in what it forks. `order` is what the two ends say.
"""
