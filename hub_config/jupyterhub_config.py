"""A hub on one machine without Kubernetes: servers and jobs are local processes.

    pip install 'jupyter-kf[tensorflow-cpu,lab,hub]'
    npm install configurable-http-proxy        # and have node_modules/.bin in PATH
    jupyterhub -f jupyterhub_config.py         # http://127.0.0.1:8000, any name, the password below

For trying things out: everybody with the password is let in, and all servers run as one user.
"""

import os
import sys

c = get_config()  # noqa: F821

c.JupyterHub.bind_url = "http://127.0.0.1:8000"
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ.get("JUPYTER_KF_HUB_PASSWORD", "try jupyter_kf")
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "simple"
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.environment = {"JUPYTER_KF_BACKEND": "local"}
c.Spawner.default_url = "/lab"

# Whoever has a server may share it, by a code that they hand on: no one gets to see who else is here.
c.JupyterHub.load_roles = [{"name": "user", "scopes": ["self", "shares!user"]}]
