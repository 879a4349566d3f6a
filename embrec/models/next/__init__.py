"""Models of what a user wants next, given the order of what they did."""
