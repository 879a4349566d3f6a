-- Return the movies of a run with the most similar side information: the squared Jaccard index of their genres, times
-- exp(-1) for every five years between them. These are the fifty nearest and those as near as the fiftieth, so all movies
-- with equal weight if the movie has no side information.
CREATE OR REPLACE FUNCTION embrec.movies_like(model_run_id integer, movie_index integer)
RETURNS TABLE (near_index integer, weight double precision)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH candidates AS (
        SELECT
            m.movie_index,
            coalesce((
                SELECT (count(*) FILTER (WHERE g.genre = ANY (q.genres)))::double precision
                    / nullif(cardinality(q.genres) + count(*) FILTER (WHERE g.genre <> ALL (q.genres)), 0)
                FROM unnest(m.genres) AS g (genre)
            ), 0) AS jaccard,
            exp(-abs(coalesce(m.release_year - q.release_year, 0)) / 5.0) AS closeness
        FROM embrec.movies AS q
        CROSS JOIN embrec.movies AS m
        JOIN embrec.movie_embeddings AS e
            ON e.model_run_id = movies_like.model_run_id AND e.part = 'rating' AND e.movie_index = m.movie_index
        WHERE q.movie_index = movies_like.movie_index AND m.movie_index <> q.movie_index AND NOT e.folded_in
    ),
    weighted AS (
        SELECT c.movie_index, (c.jaccard ^ 2 + 1e-6) * c.closeness AS weight FROM candidates AS c
    )
    SELECT w.movie_index, w.weight FROM weighted AS w ORDER BY w.weight DESC FETCH FIRST 50 ROWS WITH TIES;
END;
