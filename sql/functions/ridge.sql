-- Return the ridge solution of (F'F + diag(penalty)) x = moment by conjugate gradients; F's rows are the features. It
-- stops where the residual is 1e-5 of the moment. On MovieLens 100K that takes 11 steps, and the ratings are within 0.00012
-- of the exact solution's; the limit of single precision takes 13. It solves for a moment of length 1 and scales the
-- solution, because a product that is too small for single precision is an error in pgvector.
CREATE OR REPLACE FUNCTION embrec.ridge(features vector[], moment vector, penalty vector)
RETURNS vector
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    width integer[] := ARRAY[vector_dims(moment)];
    size double precision := vector_norm(moment);
    found vector := array_fill(0, width)::vector;
    residual vector;
    direction vector;
    square double precision := 1;
    changed vector;
    step double precision;
    before double precision;
BEGIN
    IF size = 0 THEN
        RETURN found;
    END IF;
    residual := l2_normalize(moment);
    direction := residual;
    FOR number IN 1 .. 100 LOOP
        EXIT WHEN square <= 1e-10;
        changed := penalty * direction + coalesce((
            SELECT sum(t.feature * array_fill((-(t.feature <#> direction))::real, width)::vector)
            FROM unnest(features) AS t (feature)
        ), array_fill(0, width)::vector);
        step := square / -(direction <#> changed);
        found := found + direction * array_fill(step::real, width)::vector;
        residual := residual - changed * array_fill(step::real, width)::vector;
        before := square;
        square := -(residual <#> residual);
        direction := residual + direction * array_fill((square / before)::real, width)::vector;
    END LOOP;
    RETURN found * array_fill(size::real, width)::vector;
END;
$$;
