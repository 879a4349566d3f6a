-- Return the n users nearest to one user by cosine, in the answering run; never the user itself. All are compared, or
-- for 50,000 users or more, those that their approximate index finds. An unknown id, or a user without a vector in that
-- run, gives no rows.
CREATE OR REPLACE FUNCTION embrec.similar_users(user_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_user
LANGUAGE plpgsql STABLE -- not parallel: nearest_by_index sets parameters
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
SET max_parallel_workers_per_gather = 0 -- starting workers takes longer than comparing all that have no index
AS $$
#variable_conflict use_column
DECLARE
    run integer;
    compared embrec.part;
    asked integer;
    asked_vector vector;
    near integer[];
    distances double precision[];
BEGIN
    SELECT p.model_run_id, p.user_similarity INTO run, compared FROM embrec.answering_run AS p;
    SELECT e.index, e.embedding INTO asked, asked_vector
    FROM embrec.stored_vectors(
        'user', run, compared, ARRAY(SELECT k.user_index FROM embrec.users AS k WHERE k.user_id = similar_users.user_id)
    ) AS e;
    IF asked IS NULL THEN
        RETURN;
    END IF;
    IF embrec.has_index('user') THEN
        SELECT array_agg(i.near_index), array_agg(i.distance) INTO near, distances
        FROM embrec.nearest_by_index('user', asked, n) AS i;
    ELSE
        SELECT array_agg(c.near_index), array_agg(c.distance) INTO near, distances
        FROM embrec.nearest_of_all('user', run, compared, asked, asked_vector, false, n) AS c;
    END IF;
    RETURN QUERY
    SELECT
        (row_number() OVER (ORDER BY t.distance, u.user_id COLLATE "C"))::integer AS rank,
        u.user_id,
        1 - t.distance AS similarity,
        run
    FROM unnest(near, distances) AS t (near_index, distance)
    JOIN embrec.users AS u ON u.user_index = t.near_index
    WHERE t.distance <> 'NaN' -- no vector
    ORDER BY rank
    LIMIT similar_users.n;
END;
$$;

CREATE OR REPLACE FUNCTION embrec.similar_users(user_id anynonarray, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_user
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT * FROM embrec.similar_users(embrec.id_text(similar_users.user_id), similar_users.n);
$$;
