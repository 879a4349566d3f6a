-- Return the n movies that the users of one movie also watched or rated, more than chance has it, by the answering run: channel 0
-- of next_movies. The score is the number of users of both above chance, in standard deviations, so that movies which everybody
-- watches do not come first. It is the same from either movie to the other. No rows for an unknown id, or for a run that was
-- trained without this part.
CREATE OR REPLACE FUNCTION embrec.also_watched(movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.following_movie
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY w.score DESC, c.popularity_rank, m.movie_id COLLATE "C"))::integer AS rank,
        m.movie_id,
        m.title,
        w.score::double precision,
        w.model_run_id
    FROM (
        SELECT k.model_run_id, unnest(k.next_indexes) AS movie_index, unnest(k.weights) AS score
        FROM embrec.next_movies AS k
        WHERE k.model_run_id = (SELECT p.model_run_id FROM embrec.answering_run AS p)
            AND k.movie_index = (SELECT a.movie_index FROM embrec.movies AS a WHERE a.movie_id = also_watched.movie_id)
            AND k.channel = 0
    ) AS w
    JOIN embrec.movies AS m ON m.movie_index = w.movie_index
    LEFT JOIN embrec.movie_counts AS c ON c.movie_index = w.movie_index
    ORDER BY rank
    LIMIT also_watched.n;
END;

CREATE OR REPLACE FUNCTION embrec.also_watched(movie_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.following_movie
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.also_watched(embrec.id_text(also_watched.movie_id), also_watched.n);
$$;
