"""The notebook server's side: shows the backend's jobs to pages and passes their wishes on.

It holds no state that is not the backend's, so the server may restart at any time. Jobs are
never submitted here; the kernel does that itself.
"""
