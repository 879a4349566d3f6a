"""Ratings in shards of users and blocks of movies, and sums that are the same bits for any number of workers."""
