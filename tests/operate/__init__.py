"""The steps of docs/operating.md and of the Dockerfile, run as they are written there."""
