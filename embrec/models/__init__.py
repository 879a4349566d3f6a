"""Recommender models. They know numpy, scipy and Keras, and nothing of the database."""
