-- Return a text without accents and in lower case, as titles are searched. Titles are stored folded in movie_titles.
CREATE OR REPLACE FUNCTION embrec.folded_text(given text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(lower(normalize(folded_text.given, NFKD)), '[\u0300-\u036f]', '', 'g');
