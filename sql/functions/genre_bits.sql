-- Return a set of genres as 64 bits, one per genre by its hash: two genres may share a bit, so that it only says which movies
-- cannot have one of some genres. SHA-256 gives the same bits on every server, before and after a dump and restore.
CREATE OR REPLACE FUNCTION embrec.genre_bits(genres text[])
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(bit_or(1::bigint << (get_byte(sha256(convert_to(g.genre, 'UTF8')), 0) & 63)), 0)
    FROM unnest(genre_bits.genres) AS g (genre);
END;
