-- Return the ratings outside these bounds, with the ids of their users and movies, the largest first.
CREATE OR REPLACE FUNCTION embrec.ratings_beyond(lowest real, highest real)
RETURNS TABLE (user_id text, movie_id text, rating real)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT u.user_id, m.movie_id, r.rating
    FROM embrec.ratings AS r
    JOIN embrec.users AS u ON u.user_index = r.user_index
    JOIN embrec.movies AS m ON m.movie_index = r.movie_index
    WHERE r.rating NOT BETWEEN ratings_beyond.lowest AND ratings_beyond.highest
    ORDER BY abs(r.rating) DESC, u.user_id, m.movie_id;
END;
