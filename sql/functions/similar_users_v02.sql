-- The n users nearest to one user by cosine, in the published run; never the user itself. All are compared, or where there
-- are very many, those that their approximate index finds.
-- An unknown id, or a user without a vector in that run, gives no rows.
CREATE OR REPLACE FUNCTION embrec.similar_users(user_id text, n integer DEFAULT 10)
RETURNS SETOF embrec.similar_user
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT
        (row_number() OVER (ORDER BY near.distance, near.user_index))::integer AS rank,
        u.user_id,
        1 - near.distance AS similarity,
        near.model_run_id
    FROM (
        (
            SELECT e.user_index, e.model_run_id, e.embedding <=> q.embedding AS distance
            FROM embrec.user_embeddings AS q
            JOIN embrec.user_embeddings AS e ON e.user_index <> q.user_index
            WHERE q.user_index = (SELECT k.user_index FROM embrec.users AS k WHERE k.user_id = similar_users.user_id)
                AND q.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
                AND q.part = (SELECT r.user_similarity FROM embrec.published_run AS r)
                AND e.model_run_id = (SELECT r.model_run_id FROM embrec.published_run AS r)
                AND e.part = (SELECT r.user_similarity FROM embrec.published_run AS r)
                AND NOT (SELECT embrec.has_index('user'))
            ORDER BY distance, e.user_index
            LIMIT similar_users.n
        )
        UNION ALL
        SELECT i.near_index, (SELECT r.model_run_id FROM embrec.published_run AS r), i.distance
        FROM embrec.nearest_by_index(
            'user',
            (SELECT k.user_index FROM embrec.users AS k WHERE k.user_id = similar_users.user_id),
            similar_users.n
        ) AS i
        WHERE (SELECT embrec.has_index('user'))
    ) AS near
    JOIN embrec.users AS u ON u.user_index = near.user_index
    ORDER BY rank;
END;
