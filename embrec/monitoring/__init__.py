"""Health of a deployment: the status views, and the same for Prometheus."""
