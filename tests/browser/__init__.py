"""Tests of the page in a real Chromium against a real server. A package, so that its fixtures end with it."""
