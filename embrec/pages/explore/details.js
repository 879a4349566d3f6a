/* The details of movies that an address names only by id. */

import { post } from "./api.js";

/** Return a map from id to details for the known ones of some movies, or null if the server does not answer. */
export async function detailsOf(ids, signal) {
  const answer = await post("details", {}, { movie_ids: [...new Set(ids)] }, signal).catch(() => null);
  return answer && new Map(answer.movies.map((movie) => [movie.movie_id, movie]));
}
