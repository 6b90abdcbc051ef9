"""Benchmarks of the Event Hub, most of them beside the servers that people use instead."""
