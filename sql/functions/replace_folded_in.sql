-- Write the vectors of movies that were folded into a run, in place of those that they had. An element of each array is of
-- one movie; the bias of a rating vector is its last coordinate.
CREATE OR REPLACE FUNCTION embrec.replace_folded_in(
    model_run_id integer,
    movie_indexes integer[],
    fingerprints bigint[],
    ratings vector[],
    preferences vector[],
    profiles vector[],
    similarities vector[]
)
RETURNS void
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM embrec.movie_embeddings AS e
    WHERE e.model_run_id = replace_folded_in.model_run_id AND e.part = ANY (enum_range(NULL::embrec.part))
        AND e.movie_index = ANY (movie_indexes);
    DELETE FROM embrec.movie_neighbours AS l
    WHERE l.model_run_id = replace_folded_in.model_run_id AND l.movie_index = ANY (movie_indexes);
    INSERT INTO embrec.movie_embeddings (model_run_id, part, movie_index, bias, embedding, folded_in, fingerprint)
    SELECT replace_folded_in.model_run_id, v.part, m.movie_index, v.bias, v.embedding, true, m.fingerprint
    FROM unnest(movie_indexes, fingerprints, ratings, preferences, profiles, similarities)
        AS m (movie_index, fingerprint, rating, preference, profile, similarity)
    CROSS JOIN LATERAL (
        VALUES
            (
                'rating'::embrec.part,
                (m.rating::real[])[vector_dims(m.rating)],
                subvector(m.rating, 1, vector_dims(m.rating) - 1)
            ),
            ('preference', NULL, m.preference),
            ('profile', NULL, m.profile),
            ('similarity', NULL, m.similarity)
    ) AS v (part, bias, embedding)
    -- A rating vector is kept for its bias; in the other parts a vector without length is no vector. A movie that could
    -- not be folded in has none.
    WHERE v.part = 'rating' AND v.embedding IS NOT NULL OR vector_norm(v.embedding) > 0;
    -- They are in nobody's list, so similar_movies compares all of them.
    INSERT INTO embrec.movie_neighbours (model_run_id, movie_index)
    SELECT replace_folded_in.model_run_id, m.movie_index
    FROM unnest(movie_indexes, ratings) AS m (movie_index, rating)
    WHERE m.rating IS NOT NULL;
END;
$$;
