-- Count the ratings and likes anew for movie_statistics and movie_likes; readers are not held up. With the owner's rights, so that it may be
-- granted to an application.
CREATE OR REPLACE FUNCTION embrec.refresh_statistics()
RETURNS void
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off -- PostgreSQL's own refresh fails with it
AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY embrec.movie_statistics;
    REFRESH MATERIALIZED VIEW CONCURRENTLY embrec.movie_likes;
END;
$$;

REVOKE ALL ON FUNCTION embrec.refresh_statistics() FROM PUBLIC;
