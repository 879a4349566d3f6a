/* The user view: a user's ratings, and recommendations. */

import { get, part, runAsked } from "./api.js";
import { announce, counted, h, loading, movieLink, popularity, problem, ranking, reasons, titled } from "./dom.js";
import { chosenFilters, filterControls, filterParameters } from "./filters.js";
import { go, keep } from "./route.js";
import { middle } from "./runs.js";

const SHOWN = 15;

export async function userView(root, place, signal) {
  const input = h("input", { id: "user", type: "text", required: true, maxLength: 500, value: place.id, autocomplete: "off" });
  const form = h(
    "form",
    {
      className: "card ask",
      onsubmit: (event) => {
        event.preventDefault();
        go("user", input.value.trim());
      },
    },
    h("label", { for: "user" }, "User id"),
    input,
    h("button", { className: "primary" }, "Show"),
  );
  root.append(h("h1", { tabIndex: -1 }, place.id ? `User ${place.id}` : "What does it have for a user?"), form);
  if (!place.id) return;
  const chosen = chosenFilters(place.parameters);
  const list = h("div");
  const history = h("div");
  root.append(
    h(
      "div",
      { className: "columns" },
      h("section", { className: "card" }, h("h2", {}, "Rated last"), history),
      h("section", { className: "card" }, h("h2", {}, "Recommended"), filterControls(chosen, show), list),
    ),
  );
  loading(history);
  loading(list);

  async function show() {
    keep(filterParameters(chosen));
    try {
      const answer = await get(`users/${part(place.id)}`, { ...runAsked(), n: SHOWN, ...chosen }, signal);
      history.replaceChildren(rated(answer.ratings));
      list.replaceChildren(recommended(answer));
      announce(`${counted(answer.movies.length, "recommendation")}, first ${answer.movies[0] ? titled(answer.movies[0]) : "none"}`);
    } catch (error) {
      history.replaceChildren();
      problem(list, error, show);
    }
  }
  await show();
}

function rated(ratings) {
  if (!ratings.length) return h("p", { className: "soft" }, "Nothing yet.");
  const day = (time) => time && new Date(time).toLocaleDateString("en", { year: "numeric", month: "short", day: "numeric" });
  return h(
    "ul",
    { className: "plain-list" },
    ratings.map((each) =>
      h(
        "li",
        {},
        h("span", { className: "title" }, movieLink(each)),
        h("span", { className: "soft small" }, day(each.rated_at)),
        h("span", { className: "number" }, `${each.rating} ★`),
      ),
    ),
  );
}

function recommended({ basis, model_run_id: run, movies }) {
  if (!movies.length) return h("p", { className: "soft" }, "No movie fits; loosen the filters.");
  const popular = basis === "popularity";
  const rating = (movie) => (movie.predicted_rating === null ? null : `predicted rating ${movie.predicted_rating.toFixed(1)} ★`);
  const below = (movie) => [h("p", { className: "reasons" }, rating(movie)), reasons(movie.reasons, movie.although, "the user", middle())];
  return h(
    "div",
    {},
    popular && h("p", { className: "soft" }, "Popular movies: the run knows no movie that the user likes."),
    run !== null && h("p", { className: "soft small" }, `From run ${run}.`), // during an experiment, the run of the user's variant
    ranking(movies, { value: (movie) => movie.score, shown: (score) => (popular ? popularity(score) : score.toFixed(3)), below, name: "score" }),
  );
}
