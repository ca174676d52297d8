"""`neuroscope tui`: a frontend for the terminal, built on the Python client alone."""
