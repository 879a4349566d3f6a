/* The user view: what a user did, what they want next and why, and their list. */

import { get, part, runAsked } from "./api.js";
import { announce, counted, h, loading, moment, movieLink, plainScore, popularity, problem, ranking, reasons, titled } from "./dom.js";
import { chosenFilters, filterControls, filterParameters } from "./filters.js";
import { knowsOrder, nextRanking, why, withoutOrder } from "./next.js";
import { go, keep } from "./route.js";
import { middle } from "./runs.js";

const SHOWN = 15;
const PAST = 10;

export async function userView(root, place, signal) {
  root.append(h("h1", { tabIndex: -1 }, place.id ? `User ${place.id}` : "What does it have for a user?"), userForm(place.id));
  if (!place.id) return;
  const user = place.id;
  const chosen = chosenFilters(place.parameters);
  const past = h("div");
  const [next, list] = [h("div"), h("div")];
  root.append(
    past,
    h("section", { className: "card", "aria-label": "Filters" }, filterControls(chosen, show)),
    h("div", { className: "columns even" }, panel("What next", next), panel("Recommended", list)),
  );
  loading(next);
  loading(list);
  let own = null;

  async function show() {
    keep(filterParameters(chosen));
    const { diversity, ...filters } = chosen; // it is one of lists alone
    try {
      own ??= Promise.all([get("history", { user_id: user, n: PAST }, signal), get("continue", { user_id: user, n: PAST }, signal)]);
      const [[before, started], after, listed] = await Promise.all([
        own,
        get("next", { ...runAsked(), user_id: user, n: SHOWN, ...filters }, signal),
        get(`users/${part(user)}`, { ...runAsked(), n: SHOWN, ...chosen }, signal),
      ]);
      past.className = started.movies.length ? "columns even" : "alone";
      past.replaceChildren(panel("Lately", lately(before.history)), ...(started.movies.length ? [panel("Go on with", goingOn(started.movies))] : []));
      next.replaceChildren(following(after, user, signal));
      list.replaceChildren(recommended(listed));
      announce(`${counted(listed.movies.length, "recommendation")}, first ${listed.movies[0] ? titled(listed.movies[0]) : "none"}`);
    } catch (error) {
      own = null; // or trying again would fail for what failed before
      past.replaceChildren();
      next.replaceChildren();
      problem(list, error, show);
    }
  }
  await show();
}

function userForm(id) {
  const input = h("input", { id: "user", type: "text", required: true, maxLength: 500, value: id, autocomplete: "off" });
  const asked = (event) => {
    event.preventDefault();
    go("user", input.value.trim());
  };
  return h("form", { className: "card ask", onsubmit: asked }, h("label", { for: "user" }, "User id"), input, h("button", { className: "primary" }, "Show"));
}

const panel = (title, content) => h("section", { className: "card", "aria-label": title }, h("h2", {}, title), content);

function lately(history) {
  if (!history.length) return h("p", { className: "soft" }, "Nothing yet.");
  const value = (act) => (act.value === null ? "" : act.event_type === "rating" ? `${act.value} ★` : act.value.toLocaleString("en"));
  return h(
    "ul",
    { className: "plain-list" },
    history.map((act) =>
      h(
        "li",
        {},
        h("span", { className: "title" }, movieLink(act)),
        h("span", { className: "soft small" }, `${act.event_type} · ${moment(act.occurred_at)}`),
        h("span", { className: "number" }, value(act)),
      ),
    ),
  );
}

function goingOn(movies) {
  const basis = (movie) => (movie.basis === "started" ? "started, not finished" : `watched ${movie.steps} times`);
  return h(
    "ul",
    { className: "plain-list" },
    movies.map((movie) =>
      h("li", { className: "wide" }, h("span", { className: "title" }, movieLink(movie)), h("span", { className: "soft small" }, `${basis(movie)} · ${moment(movie.last_at)}`)),
    ),
  );
}

function following({ model_run_id: run, movies }, user, signal) {
  if (!movies.length) return h("p", { className: "soft" }, "No movie fits; loosen the filters.");
  if (run !== null && !knowsOrder(run)) return withoutOrder();
  const popular = movies[0].basis === "popularity";
  return h(
    "div",
    {},
    popular && h("p", { className: "soft" }, "Popular movies: nothing that the user did says what comes next."),
    nextRanking(movies, (movie) => (popular ? null : why(movie, user, signal))),
  );
}

function recommended({ basis, model_run_id: run, movies }) {
  if (!movies.length) return h("p", { className: "soft" }, "No movie fits; loosen the filters.");
  const popular = basis === "popularity";
  const rating = (movie) => movie.predicted_rating !== null && h("p", { className: "reasons" }, `predicted rating ${movie.predicted_rating.toFixed(1)} ★`);
  const below = (movie) => [rating(movie), reasons(movie.reasons, movie.although, "the user", middle())].filter(Boolean);
  return h(
    "div",
    {},
    popular && h("p", { className: "soft" }, "Popular movies: the run knows no movie that the user likes."),
    run !== null && h("p", { className: "soft small" }, `From run ${run}.`), // during an experiment, the run of the user's variant
    ranking(movies, { value: (movie) => movie.score, shown: popular ? popularity : plainScore, below, name: "score" }),
  );
}
