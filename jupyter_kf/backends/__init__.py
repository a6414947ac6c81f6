"""Where jobs run. Each backend is its own module, loaded only when it is chosen."""
