-- The same for a visitor without an account, whose ratings or movies are JSON, as in recommend_for.
CREATE OR REPLACE FUNCTION embrec.explain_for(ratings jsonb, movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.contribution
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.*
    FROM embrec.given_ratings(explain_for.ratings) AS own (movies, ratings, interests)
    CROSS JOIN embrec.contributions(
        (SELECT a.model_run_id FROM embrec.answering_run AS a), own.movies, own.ratings, own.interests,
        explain_for.movie_id, explain_for.n
    ) AS c;
END;

CREATE OR REPLACE FUNCTION embrec.explain_for(ratings jsonb, movie_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.contribution
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.explain_for(explain_for.ratings, embrec.id_text(explain_for.movie_id), explain_for.n);
$$;
