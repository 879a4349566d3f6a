/* The movies that a visitor likes: kept while the page is open, and in the address, never on the server. */

const PREFIX = "like.";
/** Movie ids to {movie, stars}. */
export const liked = new Map();

/** Take over what an address says; titles are learned later. */
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

/** What to put into an address. */
export const likedParameters = () => Object.fromEntries([...liked].map(([id, { stars }]) => [PREFIX + id, stars]));

/** As ratings of a run's scale. */
export function likedRatings(run) {
  const low = run?.lowest_rating ?? 1;
  const high = run?.highest_rating ?? 5;
  return Object.fromEntries([...liked].map(([id, { stars }]) => [id, low + ((stars - 1) / 4) * (high - low)]));
}
