"""The hub's side: notebook pods from the administrator's catalogue, with the right to run jobs.

Only this package imports JupyterHub and KubeSpawner. It is a host like the kernel's magics and the
server's extension, and imports neither.
"""
