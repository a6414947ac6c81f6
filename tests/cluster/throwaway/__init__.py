"""A Kubernetes cluster of one's own on a plain Linux machine, thrown away after use.

It takes no registry, no container engine and no systemd, and everything of it lives in namespaces:
see the README beside this package. The package knows nothing of what is tested on the cluster.
"""
