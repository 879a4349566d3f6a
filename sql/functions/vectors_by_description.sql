-- Return what described_vectors does in a run that was trained before there were maps for it: from the movies' side
-- information alone, one row for all movies of the same genres and year.
--
-- They are the weighted mean of the trained movies with the most similar side information. The weight is the squared
-- Jaccard index of the genres, times exp(-1) for every five years between two movies. The mean is of the fifty nearest
-- and those as near as the fiftieth, so of all movies if there is no side information. The ranking vector is shortened,
-- or users would be recommended movies for their genres alone before others.
--
-- Trained movies of the same genres and year are counted as one row with the sum of their vectors. So a row of the
-- result takes milliseconds, and thousands of movies are a few rows. In the memory set here the sums need no file.
CREATE OR REPLACE FUNCTION embrec.vectors_by_description(model_run_id integer, movies integer[])
RETURNS TABLE (movie_indexes integer[], rating vector, preference vector, profile vector, similarity vector)
LANGUAGE sql STABLE PARALLEL SAFE
SET work_mem = '64MB'
BEGIN ATOMIC
    WITH trained AS MATERIALIZED (
        SELECT
            row_number() OVER (ORDER BY m.genres, m.release_year) AS number,
            dense_rank() OVER (ORDER BY m.genres) AS genre_set,
            m.genres,
            m.release_year,
            count(*) AS movies,
            sum(r.embedding || ARRAY[coalesce(r.bias, 0)]::vector ORDER BY m.movie_index) AS rating,
            sum(p.embedding ORDER BY m.movie_index) AS preference,
            sum(s.embedding ORDER BY m.movie_index) AS similarity,
            sum(vector_norm(p.embedding) ORDER BY m.movie_index) FILTER (WHERE q.embedding IS NOT NULL) AS preference_length,
            sum(vector_norm(q.embedding) ORDER BY m.movie_index) FILTER (WHERE p.embedding IS NOT NULL) AS profile_length
        FROM embrec.movies AS m
        JOIN embrec.movie_embeddings AS r
            ON r.model_run_id = vectors_by_description.model_run_id AND r.part = 'rating' AND r.movie_index = m.movie_index
        LEFT JOIN embrec.movie_embeddings AS p
            ON p.model_run_id = vectors_by_description.model_run_id AND p.part = 'preference' AND p.movie_index = m.movie_index
        LEFT JOIN embrec.movie_embeddings AS q
            ON q.model_run_id = vectors_by_description.model_run_id AND q.part = 'profile' AND q.movie_index = m.movie_index
        LEFT JOIN embrec.movie_embeddings AS s
            ON s.model_run_id = vectors_by_description.model_run_id AND s.part = 'similarity' AND s.movie_index = m.movie_index
        WHERE NOT r.folded_in
        GROUP BY m.genres, m.release_year
    ),
    asked AS MATERIALIZED (
        SELECT
            dense_rank() OVER (ORDER BY m.genres) AS genre_set,
            m.genres,
            m.release_year,
            array_agg(m.movie_index ORDER BY m.movie_index) AS movie_indexes
        FROM embrec.movies AS m
        WHERE m.movie_index = ANY (vectors_by_description.movies)
        GROUP BY m.genres, m.release_year
    ),
    shared AS (
        SELECT a.genre_set AS asked, t.genre_set AS trained, count(*) AS number
        FROM (SELECT DISTINCT a.genre_set, g.genre FROM asked AS a CROSS JOIN LATERAL unnest(a.genres) AS g (genre)) AS a
        JOIN (SELECT DISTINCT t.genre_set, g.genre FROM trained AS t CROSS JOIN LATERAL unnest(t.genres) AS g (genre)) AS t
            ON t.genre = a.genre
        GROUP BY a.genre_set, t.genre_set
    ),
    -- For each set of genres asked for, the squared Jaccard indexes by the number of the trained set.
    alike AS MATERIALIZED (
        SELECT
            a.genre_set,
            array_agg((coalesce(s.number, 0)::double precision / greatest(a.size + t.size - coalesce(s.number, 0), 1)) ^ 2 ORDER BY t.genre_set)
                AS squares
        FROM (SELECT DISTINCT a.genre_set, cardinality(a.genres) AS size FROM asked AS a) AS a
        CROSS JOIN (SELECT DISTINCT t.genre_set, cardinality(t.genres) AS size FROM trained AS t) AS t
        LEFT JOIN shared AS s ON s.asked = a.genre_set AND s.trained = t.genre_set
        GROUP BY a.genre_set
    )
    SELECT
        a.movie_indexes,
        means.rating,
        embrec.scaled(means.preference, 0.1),
        embrec.scaled(means.preference, 0.1 * means.profile_scale),
        means.similarity
    FROM asked AS a
    JOIN alike AS l ON l.genre_set = a.genre_set
    CROSS JOIN LATERAL (
        SELECT
            sum(embrec.scaled(t.rating, n.share) ORDER BY n.number) AS rating,
            sum(embrec.scaled(t.preference, n.share) ORDER BY n.number) AS preference,
            sum(embrec.scaled(t.similarity, n.share) ORDER BY n.number) AS similarity,
            sum(t.profile_length ORDER BY n.number) / sum(t.preference_length ORDER BY n.number) AS profile_scale
        FROM (
            SELECT
                c.number,
                c.weight / sum(c.weight * c.movies) OVER (
                    ORDER BY c.weight DESC, c.number ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING
                ) AS share
            FROM (
                SELECT
                    b.number,
                    b.movies,
                    b.weight,
                    coalesce(sum(b.movies) OVER (ORDER BY b.weight DESC RANGE UNBOUNDED PRECEDING EXCLUDE GROUP), 0) AS nearer
                FROM (
                    SELECT
                        t.number,
                        t.movies,
                        (l.squares[t.genre_set] + 1e-6)
                        -- Beyond a century a weight of less would be lost in single precision.
                        * exp(-0.2::double precision * least(abs(coalesce(t.release_year - a.release_year, 0)), 100)) AS weight
                    FROM trained AS t
                    ORDER BY weight DESC
                    FETCH FIRST 50 ROWS WITH TIES
                ) AS b
            ) AS c
            WHERE c.nearer < 50
        ) AS n
        JOIN trained AS t ON t.number = n.number
    ) AS means;
END;
