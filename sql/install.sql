-- Every function and view in its current text, in order of dependency. Running it again changes nothing. `embrec db upgrade` reads the names, and runs the files in one transaction with schema/rights.sql, or
-- callers would meet functions without their owner's rights. By hand, on the tables of the newest revision:
--
--     psql -v ON_ERROR_STOP=1 -1 -f sql/schema/prepare.sql -f sql/install.sql -f sql/schema/rights.sql
--
-- which leaves the digest in the schema's comment as it was; embrec then asks for an upgrade. To change a function, edit
-- its file. If its parameters or its result change, a revision drops it first. A new one is a line here, and one in
-- schema/rights.sql if others than readers and trainers may call it.
\ir views/published_run.sql
\ir functions/trained_runs.sql
\ir functions/previewed_run.sql
\ir views/answering_run.sql
\ir views/experiment_results.sql
\ir views/published_movie_embeddings.sql
\ir views/published_movie_preferences.sql
\ir views/published_user_embeddings.sql
\ir functions/index_ranking.sql
\ir functions/index_run.sql
\ir views/run_indexes.sql
\ir views/run_status.sql
\ir views/status.sql
\ir functions/refresh_statistics.sql
\ir views/warnings.sql
\ir functions/movie_index_of.sql
\ir functions/user_index_of.sql
\ir functions/rating_bounds.sql
\ir functions/as_rating.sql
\ir functions/judged_scale.sql
\ir functions/ratings_beyond.sql
\ir functions/settle_scale.sql
\ir functions/set_rating_scale.sql
\ir functions/id_text.sql
\ir functions/trimmed.sql
\ir functions/id_fault.sql
\ir functions/add_rating.sql
\ir functions/assign_variant.sql
\ir functions/movies_within.sql
\ir functions/best_movies.sql
\ir functions/forget_user.sql
\ir functions/close_run.sql
\ir functions/rating_weight.sql
\ir functions/preference_vector.sql
\ir functions/ridge.sql
\ir functions/rating_vector.sql
\ir functions/contributions.sql
\ir functions/dense_ratings.sql
\ir functions/diversified.sql
\ir functions/given_ratings.sql
\ir functions/explain_for.sql
\ir functions/serving_run.sql
\ir functions/explain_recommendation.sql
\ir functions/find_movies.sql
\ir functions/mean_movie.sql
\ir functions/movies_like.sql
\ir functions/solved_movie_preference.sql
\ir functions/ratings_fingerprint.sql
\ir functions/user_rating_vector.sql
\ir functions/solved_movie_rating.sql
\ir functions/folded_in_movie.sql
\ir functions/ratings_of_table.sql
\ir functions/follow_table.sql
\ir functions/follow_ratings.sql
\ir functions/has_index.sql
\ir functions/known_genres.sql
\ir functions/known_id.sql
\ir functions/map_movies.sql
\ir functions/movie_details.sql
\ir functions/movie_named.sql
\ir functions/nearest_by_index.sql
\ir functions/open_run.sql
\ir functions/popular_movies.sql
\ir functions/predict_rating.sql
\ir functions/predict_ratings.sql
\ir functions/ranked_movies.sql
\ir functions/rating_uncertainty.sql
\ir functions/recommend_for.sql
\ir functions/recommend_movies.sql
\ir functions/record_exposure.sql
\ir functions/record_outcome.sql
\ir functions/refresh_run.sql
\ir functions/refresh.sql
\ir functions/remove_rating.sql
\ir functions/run_digest.sql
\ir functions/similar_movies.sql
\ir functions/similar_users.sql
\ir functions/suggest_movies.sql
\ir functions/trending_movies.sql
\ir functions/user_ratings.sql
