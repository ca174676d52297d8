"""What tests share: tiny models, a client that knows the protocol alone, and an independent computation."""
