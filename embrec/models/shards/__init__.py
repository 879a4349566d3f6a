"""Ratings in shards of users and blocks of movies, which workers share; sums over them are the same bits for any share."""
