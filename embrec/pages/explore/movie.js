/* The movie views: search, and a movie with similar ones. */

import { get, part, runAsked } from "./api.js";
import { activity, announce, counted, h, loading, movieLink, plainScore, problem, ranking, titled } from "./dom.js";
import { liked, likedParameters } from "./liked.js";
import { knowsOrder } from "./next.js";
import { go, link } from "./route.js";
import { movieSearch } from "./search.js";
import { seenParameters, watch } from "./seen.js";

const SIMILAR = 15;
const FOLLOWING = 10;

export function movieView(root, place, signal) {
  return place.id ? oneMovie(root, place.id, signal) : allMovies(root, signal);
}

const search = () => movieSearch("Find a movie", (movie) => go("movie", movie.movie_id));

async function allMovies(root, signal) {
  const list = h("div");
  root.append(
    h("h1", { tabIndex: -1 }, "What did the model learn?"),
    h("p", { className: "soft" }, "Find a movie to see which ones the model takes for similar, or say what you like and see what it recommends."),
    h("div", { className: "card" }, search()),
    h("section", { className: "card" }, h("h2", {}, "Popular movies"), list),
  );
  loading(list);
  const { movies } = await get("popular", { n: 10 }, signal);
  const row = (movie) =>
    h(
      "li",
      {},
      h("span", { className: "title" }, movieLink(movie)),
      h("span", { className: "soft small" }, activity(movie)),
      h("span", { className: "number" }, movie.mean_rating !== null && `${movie.mean_rating.toFixed(2)} ★`),
    );
  list.replaceChildren(h("ol", { className: "plain-list" }, movies.map(row)));
}

async function oneMovie(root, id, signal) {
  const title = h("h1", { tabIndex: -1 }, `Movie ${id}`);
  const facts = h("p", { className: "facts soft" });
  const actions = h("div", { className: "actions" });
  const [list, next, along] = [h("div"), h("div"), h("div")];
  const panel = (name, content) => h("section", { className: "card", "aria-label": name }, h("h2", {}, name), content);
  const others = h("div", { className: "columns even" }, panel("Similar movies", list), h("div", { className: "stack" }, panel("What comes next", next), panel("Also watched", along)));
  root.append(h("div", { className: "card" }, search()), h("section", { className: "card" }, title, facts, actions), others);
  loading(list);
  try {
    const movie = await get(`movies/${part(id)}`, {}, signal);
    title.textContent = titled(movie);
    document.title = `${titled(movie)} · embrec`;
    facts.textContent = known(movie);
    actions.append(
      h("button", { type: "button", className: "primary", onclick: () => like(movie) }, "I like it"),
      h("button", { type: "button", onclick: () => justWatched(movie) }, "Just watched it"),
      h("a", { className: "button", href: link("compare", "", { movie: id }) }, "Compare runs"),
      h("a", { className: "button", href: link("map", "", { movie: id }) }, "On the map"),
    );
    const asked = { ...runAsked(), movie_id: id, n: FOLLOWING };
    const [{ movies }, after, audience] = await Promise.all([
      get(`movies/${part(id)}/similar`, { ...runAsked(), n: SIMILAR }, signal),
      get("next-after", asked, signal),
      get("also-watched", asked, signal),
    ]);
    const nothing = knowsOrder() ? "Nothing is known to follow it." : "This run knows no order, so nothing is known to follow it.";
    next.replaceChildren(following(after.movies, "Scores of what users want right after it.", nothing));
    along.replaceChildren(following(audience.movies, "Users of both beyond chance, in standard deviations.", "Too few users are known to have watched it."));
    list.replaceChildren(
      h("p", { className: "soft small" }, "Cosine similarity of their vectors: 1 is the same direction, 0 nothing in common."),
      ranking(movies, { value: (each) => each.similarity, most: 1, name: "similarity" }),
    );
    announce(`${counted(movies.length, "similar movie")} shown`);
  } catch (error) {
    others.replaceChildren();
    problem(others, error);
  }
}

/** Create a list of movies that follow one or share its users. */
function following(movies, meaning, nothing) {
  if (!movies.length) return h("p", { className: "soft" }, nothing);
  return h("div", {}, h("p", { className: "soft small" }, meaning), ranking(movies, { value: (movie) => movie.score, shown: plainScore, name: "score" }));
}

/** Describe a movie in a line. */
function known(movie) {
  const mean = movie.mean_rating !== null && `${movie.mean_rating.toFixed(2)} ★ on average`;
  return [movie.genres.join(", "), movie.release_year, activity(movie), mean].filter(Boolean).join(" · ");
}

function like(movie) {
  liked.set(movie.movie_id, { movie, stars: 5 });
  go("liked", "", likedParameters());
}

function justWatched(movie) {
  watch(movie);
  go("session", "", seenParameters());
}
