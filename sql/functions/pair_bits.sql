-- Return a set of pairs of neighbouring letters (bigrams) as 128 bits, one for each pair. Two pairs may share a bit, so
-- that two sets have at most as many pairs in common as their bits and the shared bits say.
CREATE OR REPLACE FUNCTION embrec.pair_bits(pairs text[])
RETURNS bit
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    SELECT bit_or(1::bit(128) << ((ascii(pair) * 31 + ascii(substr(pair, 2))) & 127)) FROM unnest(pair_bits.pairs) AS pair
);
