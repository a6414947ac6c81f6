# Load jupyter_kf in notebook kernels, so that %%kf works without %load_ext.
# Installed with the package into etc/ipython/startup of the kernel's own environment: a kernel
# without the package never sees this file. JUPYTER_KF_AUTOLOAD=0 turns it off; the server
# extension sets it from its setting JobsExtension.autoload.
def _load_jupyter_kf():
    import os

    shell = get_ipython()  # noqa: F821
    if hasattr(shell, "kernel") and os.environ.get("JUPYTER_KF_AUTOLOAD") == "1":
        shell.extension_manager.load_extension("jupyter_kf")


_load_jupyter_kf()
del _load_jupyter_kf
