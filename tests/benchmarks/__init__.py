"""Measurements that are run by hand: what they print depends on the machine, so no test holds them to it."""
