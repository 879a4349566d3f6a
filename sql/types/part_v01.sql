-- Which vectors of a run: a rating is predicted from those of the rating part. Movies are ranked for a user by the
-- product of vectors of the preference part, where a user's is the weighted sum of the profiles of the movies they
-- rated. Movies are compared by those of the similarity part.
CREATE TYPE embrec.part AS ENUM ('rating', 'preference', 'profile', 'similarity');
