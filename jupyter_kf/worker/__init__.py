"""The replica's program: a supervisor per host and one child process per rank.

It is the same on a laptop and in a pod. It knows nothing of notebooks, servers, hubs and
cluster clients; it is told a store, a job and the ranks that are its own.
"""
