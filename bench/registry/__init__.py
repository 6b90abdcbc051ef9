"""The Registry, and side by side with etcd: register, get, watch."""
