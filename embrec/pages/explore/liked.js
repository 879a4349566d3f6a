/* The ratings of a visitor: kept while the page is open, and in the address, never on the server. */

const PREFIX = "like.";
/** A map from movie id to {movie, stars}. */
export const liked = new Map();

/** Take over the ratings in an address; titles are loaded later. */
export function readLiked(parameters) {
  const found = [...parameters].filter(([name]) => name.startsWith(PREFIX));
  if (!found.length) return;
  const before = new Map(liked);
  liked.clear();
  for (const [name, value] of found) {
    const id = name.slice(PREFIX.length);
    const stars = Math.min(Math.max(Math.round(Number(value)) || 5, 1), 5);
    liked.set(id, { movie: before.get(id)?.movie ?? { movie_id: id }, stars });
  }
}

/** Return the ratings as parameters of an address. */
export const likedParameters = () => Object.fromEntries([...liked].map(([id, { stars }]) => [PREFIX + id, stars]));

/** Convert the stars to ratings on a run's scale. */
export function likedRatings(run) {
  const low = run?.lowest_rating ?? 1;
  const high = run?.highest_rating ?? 5;
  return Object.fromEntries([...liked].map(([id, { stars }]) => [id, low + ((stars - 1) / 4) * (high - low)]));
}
