/* The movies of a visitor's session: kept while the page is open, and in the address, never on the server. */

const NAME = "seen";
/** The endpoints take as many; of a longer session the newest count. */
const MOST = 500;
/** The movies watched, oldest first; a movie may occur several times. */
export const seen = [];

/** Take over the session in an address; titles are loaded later. */
export function readSeen(parameters) {
  const ids = parameters.getAll(NAME).slice(-MOST);
  if (!ids.length) return;
  const before = new Map(seen.map((movie) => [movie.movie_id, movie]));
  seen.splice(0, seen.length, ...ids.map((id) => before.get(id) ?? { movie_id: id }));
}

/** Add a movie that was just watched. */
export function watch(movie) {
  seen.push(movie);
  if (seen.length > MOST) seen.shift();
}

/** Return the session as parameters of an address. */
export const seenParameters = () => seen.map((movie) => [NAME, movie.movie_id]);
