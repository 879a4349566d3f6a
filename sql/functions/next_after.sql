-- Return the n movies that most likely follow one movie, by the answering run: their scores for a history of it alone. Never the
-- movie itself, and none that nothing speaks for. No rows for an unknown id, or if the run knows no order.
CREATE OR REPLACE FUNCTION embrec.next_after(movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.following_movie
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    asked integer[] := ARRAY(SELECT m.movie_index FROM embrec.movies AS m WHERE m.movie_id = next_after.movie_id);
BEGIN
    IF asked = '{}' THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT r.rank, r.movie_id, r.title, r.score, r.model_run_id
    FROM embrec.answering_run AS p
    JOIN embrec.model_runs AS k ON k.model_run_id = p.model_run_id AND k.history_length IS NOT NULL
    CROSS JOIN embrec.ranked_next(p.model_run_id, asked, asked, NULL, n, NULL, NULL, NULL, NULL, NULL) AS r
    WHERE r.score > '0';
END;
$$;

CREATE OR REPLACE FUNCTION embrec.next_after(movie_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.following_movie
LANGUAGE sql STABLE
AS $$
    SELECT * FROM embrec.next_after(embrec.id_text(next_after.movie_id), next_after.n);
$$;
