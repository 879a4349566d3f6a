/* The session view: name what you just watched, in order, and see at each step what you will want next. */

import { get, post, runAsked } from "./api.js";
import { activity, announce, counted, h, loading, problem, titled } from "./dom.js";
import { detailsOf } from "./details.js";
import { chosenFilters, filterControls, filterParameters } from "./filters.js";
import { knowsOrder, nextRanking, withoutOrder } from "./next.js";
import { keep } from "./route.js";
import { movieSearch } from "./search.js";
import { readSeen, seen, seenParameters, watch } from "./seen.js";

const SHOWN = 15;
const REPEATS = { never: "left out", allowed: "among others", only: "alone" };

export async function sessionView(root, place, signal) {
  readSeen(place.parameters);
  const chosen = chosenFilters(place.parameters);
  const repeats = h("select", { id: "repeats", onchange: recommend }, Object.entries(REPEATS).map(([value, name]) => h("option", { value, selected: value === place.parameters.get("repeats") }, name)));
  const own = h("ol", { className: "plain-list session", "aria-label": "Watched, newest last" });
  const hint = h("p", { className: "soft" });
  const ideas = h("div", { className: "chips", role: "group", "aria-label": "Popular movies to watch" });
  const list = h("div", { "aria-busy": "false" });
  let asked = new AbortController();
  signal.addEventListener("abort", () => asked.abort());

  function add(movie) {
    watch(movie);
    changed();
  }

  function remove(index) {
    seen.splice(index, 1);
    changed();
    box.querySelector("input").focus();
  }

  function changed() {
    showOwn();
    recommend();
  }

  function showOwn() {
    own.replaceChildren(...seen.map(row));
    own.scrollTop = own.scrollHeight; // the newest is last
    const last = seen.at(-1);
    hint.textContent = last ? `You just watched ${titled(last)}.` : "Name the movies that you watched, in order.";
  }

  const row = (movie, index) =>
    h(
      "li",
      {},
      h("span", { className: "title" }, titled(movie)),
      h("span", { className: "soft small" }, index === seen.length - 1 ? "just now" : ""),
      h("button", { type: "button", className: "remove", "aria-label": `Remove ${titled(movie)}, number ${index + 1}`, onclick: () => remove(index) }, "×"),
    );

  async function recommend() {
    const { diversity, ...filters } = chosen; // it is one of lists alone
    keep([...seenParameters(), ...filterParameters(filters), ...(repeats.value === "never" ? [] : [["repeats", repeats.value]])]);
    asked.abort();
    asked = new AbortController();
    const { signal: current } = asked;
    list.setAttribute("aria-busy", "true");
    try {
      const history = seen.map((movie) => movie.movie_id);
      show(await post("next", runAsked(), { history, n: SHOWN, repeats: repeats.value, ...filters }, current));
    } catch (error) {
      problem(list, error, recommend);
    }
    if (!current.aborted) list.setAttribute("aria-busy", "false");
  }

  function show({ movies }) {
    const popular = movies.length > 0 && movies[0].basis === "popularity";
    const intro = !movies.length ? "No movie fits; loosen the filters." : popular ? "Popular movies, until you name some after which the model knows what comes." : "";
    const again = (movie) => h("button", { type: "button", className: "chip", "aria-label": `Watched ${titled(movie)}`, onclick: () => add(movie) }, "Watched");
    list.replaceChildren(...[!knowsOrder() && withoutOrder(), intro && h("p", { className: "soft" }, intro), nextRanking(movies, again)].filter(Boolean));
    announce(`${counted(movies.length, "movie")}${movies.length ? `, first ${titled(movies[0])}` : ""}`);
  }

  const box = movieSearch("Just watched", add);
  root.append(
    h("h1", { tabIndex: -1 }, "What comes next in a session"),
    h(
      "div",
      { className: "columns" },
      h("section", { className: "card", "aria-label": "Watched" }, h("h2", {}, "Watched"), hint, box, own, ideas),
      h(
        "section",
        { className: "card", "aria-label": "Next" },
        h("h2", {}, "Next"),
        filterControls(chosen, recommend, { diversity: false, more: h("div", { className: "choice" }, h("label", { for: "repeats" }, "Seen movies"), repeats) }),
        list,
      ),
    ),
    h("p", { className: "soft small" }, "Nothing of this is stored. The address of this page has it all, to keep or to share."),
  );
  loading(list);
  changed();
  offer(ideas, add, signal);
  if (await learnTitles(signal)) showOwn();
}

/** Offer popular movies as buttons, so that visitors need not think of a title. */
async function offer(element, add, signal) {
  const { movies } = await get("popular", { n: 12 }, signal).catch(() => ({ movies: [] }));
  element.replaceChildren(...movies.filter(activity).map((movie) => h("button", { type: "button", className: "chip", onclick: () => add(movie) }, `+ ${titled(movie)}`)));
}

/** Load the titles of movies from the address, and drop unknown movies. Returns whether any title was missing. */
async function learnTitles(signal) {
  const ids = seen.filter((movie) => movie.title === undefined).map((movie) => movie.movie_id);
  const found = ids.length ? await detailsOf(ids, signal) : null;
  if (!found) return false; // show ids instead; the list shows the error
  const known = seen.map((movie) => (movie.title === undefined && ids.includes(movie.movie_id) ? found.get(movie.movie_id) : movie));
  seen.splice(0, seen.length, ...known.filter(Boolean));
  return true;
}
