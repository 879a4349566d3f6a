-- Return a title as folded_text does, without the year, and without an article at the beginning or the end.
CREATE OR REPLACE FUNCTION embrec.named_text(given text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(
    lower(normalize(named_text.given, NFKD)), '[\u0300-\u036f]|^(the|an?) |(, (the|an?))?( *\(\d{4}\))?$', '', 'g'
);
