-- Return what repeats means for the movies that a user or visitor has seen, and those they dislike: the movies that are left
-- out, and those to choose from, NULL for all; movie_ids are external ids to choose from too.
CREATE OR REPLACE FUNCTION embrec.next_among(
    repeats text,
    seen integer[],
    disliked integer[],
    movie_ids text[],
    OUT excluded integer[],
    OUT among integer[]
)
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF repeats IS NULL OR repeats NOT IN ('never', 'allowed', 'only') THEN
        RAISE EXCEPTION 'repeats is %; give never, allowed or only', coalesce(quote_literal(repeats), 'NULL')
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    excluded := coalesce(CASE repeats WHEN 'never' THEN seen ELSE disliked END, '{}');
    among := CASE repeats WHEN 'only' THEN coalesce(seen, '{}') END;
    IF movie_ids IS NOT NULL THEN
        among := ARRAY(
            SELECT m.movie_index
            FROM embrec.movies AS m
            WHERE m.movie_id IN (SELECT candidate FROM unnest(movie_ids) AS candidate)
                AND (among IS NULL OR m.movie_index IN (SELECT unnest(among)))
        );
    END IF;
END;
$$;
