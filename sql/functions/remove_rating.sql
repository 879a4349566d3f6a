-- Delete a user's rating of a movie; returns true if it existed. The next answer does without it.
CREATE OR REPLACE FUNCTION embrec.remove_rating(user_id text, movie_id text)
RETURNS boolean
LANGUAGE sql
BEGIN ATOMIC
    WITH removed AS (
        DELETE FROM embrec.ratings AS r
        USING embrec.users AS u, embrec.movies AS m
        WHERE u.user_id = remove_rating.user_id AND m.movie_id = remove_rating.movie_id
            AND r.user_index = u.user_index AND r.movie_index = m.movie_index
        RETURNING 1
    )
    SELECT EXISTS (SELECT FROM removed);
END;

CREATE OR REPLACE FUNCTION embrec.remove_rating(user_id text, movie_id anynonarray)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.remove_rating(remove_rating.user_id, embrec.id_text(remove_rating.movie_id));
$$;

CREATE OR REPLACE FUNCTION embrec.remove_rating(user_id anynonarray, movie_id text)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.remove_rating(embrec.id_text(remove_rating.user_id), remove_rating.movie_id);
$$;

CREATE OR REPLACE FUNCTION embrec.remove_rating(user_id anynonarray, movie_id anycompatiblenonarray)
RETURNS boolean
LANGUAGE sql
AS $$
    SELECT embrec.remove_rating(embrec.id_text(remove_rating.user_id), embrec.id_text(remove_rating.movie_id));
$$;
