"""Run a notebook cell as a distributed TensorFlow job.

The package is imported by four hosts: the hub, the notebook server, the kernel and the
job's replicas. So that each of them pays only for what it uses, public names are loaded on
first use (PEP 562); importing the package must load neither TensorFlow nor a cluster client.
"""

__version__ = "0.1.0"
