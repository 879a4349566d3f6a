-- Return the movies that the user rated or watched (rating NULL) that add most to a movie's score, or take most away; the
-- contributions of all, with n => NULL, add up to the score. If a run ranks by predicted ratings, a first row without a movie has the part that
-- does not depend on a rating of the user. No rows for an unknown id, a movie without a vector in the run that serves
-- the user, or an outer-product run, whose score is not a sum over ratings.
CREATE OR REPLACE FUNCTION embrec.explain_recommendation(user_id text, movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.contribution
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT c.*
    FROM embrec.user_interactions(
        (SELECT u.user_index FROM embrec.users AS u WHERE u.user_id = explain_recommendation.user_id)
    ) AS own
    CROSS JOIN embrec.contributions(
        embrec.serving_run(explain_recommendation.user_id), own.movies, own.ratings, own.interests,
        explain_recommendation.movie_id, explain_recommendation.n
    ) AS c;
END;

CREATE OR REPLACE FUNCTION embrec.explain_recommendation(user_id text, movie_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.contribution
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT *
    FROM embrec.explain_recommendation(
        explain_recommendation.user_id, embrec.id_text(explain_recommendation.movie_id), explain_recommendation.n
    );
$$;

CREATE OR REPLACE FUNCTION embrec.explain_recommendation(user_id anynonarray, movie_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.contribution
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT *
    FROM embrec.explain_recommendation(
        embrec.id_text(explain_recommendation.user_id), explain_recommendation.movie_id, explain_recommendation.n
    );
$$;

CREATE OR REPLACE FUNCTION embrec.explain_recommendation(user_id anynonarray, movie_id anycompatiblenonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.contribution
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT *
    FROM embrec.explain_recommendation(
        embrec.id_text(explain_recommendation.user_id), embrec.id_text(explain_recommendation.movie_id), explain_recommendation.n
    );
$$;
