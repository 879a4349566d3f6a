/* The taste view: rate a few movies, and get recommendations with explanations at once. */

import { get, post, runAsked } from "./api.js";
import { detailsOf } from "./details.js";
import { activity, announce, counted, h, loading, plainScore, popularity, problem, ranking, reasons, titled } from "./dom.js";
import { chosenFilters, filterControls, filterParameters } from "./filters.js";
import { liked, likedParameters, likedRatings, readLiked } from "./liked.js";
import { keep, link } from "./route.js";
import { answeringRun, knowsStars } from "./runs.js";
import { movieSearch } from "./search.js";
import { stars } from "./stars.js";

const WANTED = 5;
const SHOWN = 15;
/** A movie with at least this many stars is liked. */
const MIDDLE = 3;

export async function tasteView(root, place, signal) {
  readLiked(place.parameters);
  const chosen = chosenFilters(place.parameters);
  const own = h("ul", { className: "liked" });
  const hint = h("p", { className: "soft" });
  const ideas = h("div", { className: "chips", role: "group", "aria-label": "Popular movies to add" });
  const list = h("div", { "aria-busy": "false" });
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort());

  function add(movie, given = 5) {
    liked.set(movie.movie_id, { movie, stars: given });
    changed();
  }

  function showOwn() {
    own.replaceChildren(...[...liked.values()].map(({ movie, stars: given }) => row(movie, given)));
    const missing = WANTED - liked.size;
    hint.textContent = missing > 0 ? `Name ${liked.size ? counted(missing, "more movie") : `${WANTED} movies`} that you like.` : "The more you name, the better it knows you.";
    hideTaken();
  }

  function hideTaken() {
    for (const button of ideas.children) button.hidden = liked.has(button.dataset.movie);
  }

  const row = (movie, given) =>
    h(
      "li",
      {},
      h("span", { className: "title" }, titled(movie)),
      knowsStars() &&
        stars(movie, given, (value) => {
          liked.get(movie.movie_id).stars = value;
          recommend();
        }),
      h("button", { type: "button", className: "remove", "aria-label": `Remove ${titled(movie)}`, onclick: () => remove(movie) }, "×"),
    );

  function remove(movie) {
    liked.delete(movie.movie_id);
    changed();
    box.querySelector("input").focus();
  }

  function changed() {
    showOwn();
    recommend();
  }

  async function recommend() {
    keep([...Object.entries(likedParameters()), ...filterParameters(chosen)]);
    asked.abort();
    asked = new AbortController();
    const { signal: current } = asked;
    list.setAttribute("aria-busy", "true");
    try {
      show(await post("recommendations", runAsked(), { ratings: likedRatings(answeringRun()), n: SHOWN, ...chosen }, current));
    } catch (error) {
      problem(list, error, recommend);
    }
    if (!current.aborted) list.setAttribute("aria-busy", "false");
  }

  function show({ basis, movies }) {
    const popular = basis === "popularity";
    const intro = !movies.length ? "No movie fits; loosen the filters." : popular ? "Popular movies, until you name some that you like and the model knows." : "";
    list.replaceChildren(
      intro && h("p", { className: "soft" }, intro),
      ranking(movies, {
        value: (movie) => movie.score,
        shown: popular ? popularity : plainScore,
        below: (movie) => reasons(movie.reasons.map(inStars), movie.although.map(inStars), "you", MIDDLE),
        name: "score",
      }),
    );
    announce(`${counted(movies.length, "recommendation")}${movies.length ? `, first ${titled(movies[0])}` : ""}`);
  }

  /** Return an explanation with the visitor's stars, because its rating is on the run's scale; without where none are given. */
  const inStars = (reason) => ({ ...reason, rating: knowsStars() ? liked.get(reason.movie_id).stars : null });

  const box = movieSearch("Add a movie", (movie) => add(movie));
  root.append(
    h("h1", { tabIndex: -1 }, "Tell it what you like"),
    h(
      "div",
      { className: "columns" },
      h("section", { className: "card" }, h("h2", {}, "You like"), hint, box, own, ideas),
      h("section", { className: "card" }, h("h2", {}, "For you"), filterControls(chosen, recommend), list),
    ),
    h("p", { className: "soft small" }, "Nothing of this is stored. The address of this page has it all, to keep or to share."),
  );
  loading(list);
  changed();
  offer(ideas, add, signal).then(hideTaken);
  if (await learnTitles(signal)) showOwn(); // only if titles are new, because a redraw disturbs a visitor who is giving stars
}

/** Offer popular movies as buttons, so that visitors need not think of a title. */
async function offer(element, add, signal) {
  const { movies } = await get("popular", { n: 12 }, signal).catch(() => ({ movies: [] }));
  element.replaceChildren(
    ...movies.filter(activity).map((movie) => {
      const take = () => {
        add(movie);
        [...element.children].find((each) => !each.hidden)?.focus(); // the focused button is hidden now
      };
      const button = h("button", { type: "button", className: "chip", onclick: take }, `+ ${titled(movie)}`);
      button.dataset.movie = movie.movie_id;
      return button;
    }),
  );
}

/** Load the titles of movies from the address, and drop unknown movies. Returns whether any title was missing. */
async function learnTitles(signal) {
  const unknown = [...liked.values()].filter(({ movie }) => movie.title === undefined);
  if (!unknown.length) return false;
  const ids = unknown.map(({ movie }) => movie.movie_id);
  const found = await detailsOf(ids, signal);
  if (!found) return false; // show ids instead; the list shows the error
  for (const id of ids) {
    if (!found.has(id)) liked.delete(id);
    else if (liked.has(id)) liked.get(id).movie = found.get(id); // keep the entry: its stars may have changed meanwhile
  }
  return true;
}

/** Return the address of the recommendations for the liked movies. */
export const tasteLink = () => link("liked", "", likedParameters());
