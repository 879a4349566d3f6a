"""The health of a deployment: the status views, and Prometheus metrics made from them."""
