/* The compare view: answers of two runs to the same question, side by side. */

import { get, part } from "./api.js";
import { announce, counted, h, loading, problem, ranking, titled } from "./dom.js";
import { liked, likedParameters, likedRatings, readLiked } from "./liked.js";
import { go } from "./route.js";
import { allRuns, answeringRun, named, runOptions } from "./runs.js";
import { movieSearch } from "./search.js";
import { tasteLink } from "./taste.js";

const SHOWN = 15;

export async function compareView(root, place, signal) {
  root.append(h("h1", { tabIndex: -1 }, "Two runs side by side"));
  const runs = allRuns();
  if (runs.length < 2) {
    return root.append(h("p", { className: "card" }, "There is one trained run. Train another without publishing it: ", h("code", {}, "embrec train --no-publish")));
  }
  readLiked(place.parameters);
  const number = (name) => Number(place.parameters.get(name));
  const first = runs.find((run) => run.model_run_id === number("first")) ?? answeringRun() ?? runs[0];
  const second = runs.find((run) => run.model_run_id === number("second")) ?? runs.find((run) => run !== first);
  const by = ["movie", "user", "own"].find((name) => place.parameters.has(name));
  const asked = (parameters) => go("compare", "", { first: first.model_run_id, second: second.model_run_id, ...parameters });
  const again = (name) => (event) => go("compare", "", { ...Object.fromEntries(place.parameters), first: first.model_run_id, second: second.model_run_id, [name]: event.target.value });
  const choice = (name, label, run) => h("label", {}, label, h("select", { onchange: again(name) }, runOptions(run.model_run_id)));
  const lists = h("div");
  root.append(
    h("div", { className: "card choices" }, choice("first", "One run", first), choice("second", "Another run", second)),
    h("div", { className: "card choices" }, ...questions(asked)),
    lists,
  );
  if (!by) return;
  loading(lists);
  try {
    const question = await questioned(by, place.parameters.get(by), signal);
    const answer = await get("compare", { first: first.model_run_id, second: second.model_run_id, n: SHOWN, ...question.parameters }, signal);
    show(lists, question, [first, second], answer);
  } catch (error) {
    problem(lists, error);
  }
}

/** The kinds of question: by a movie, by a user, by liked movies. */
function questions(asked) {
  const input = h("input", { id: "compared-user", type: "text", required: true, maxLength: 500, autocomplete: "off" });
  const form = h(
    "form",
    {
      className: "ask",
      onsubmit: (event) => {
        event.preventDefault();
        asked({ user: input.value.trim() });
      },
    },
    h("label", { for: "compared-user" }, "For a user"),
    input,
    h("button", {}, "Compare"),
  );
  const own = liked.size
    ? h("button", { type: "button", onclick: () => asked({ own: 1, ...likedParameters() }) }, `For the ${counted(liked.size, "movie")} you like`)
    : h("a", { className: "button", href: tasteLink() }, "For movies that you like …");
  return [movieSearch("Similar to a movie", (movie) => asked({ movie: movie.movie_id })), form, h("div", { className: "own" }, own)];
}

async function questioned(by, value, signal) {
  if (by === "movie") {
    const movie = await get(`movies/${part(value)}`, {}, signal);
    return { parameters: { movie_id: value }, heading: `Similar to ${titled(movie)}`, name: "similarity", most: 1 };
  }
  if (by === "user") return { parameters: { user_id: value }, heading: `For user ${value}`, name: "score" };
  return { parameters: { ratings: JSON.stringify(likedRatings(answeringRun())) }, heading: "For what you like", name: "score" };
}

function show(element, question, runs, { runs: lists, shared }) {
  const places = lists.map(({ movies }) => new Map(movies.map((movie) => [movie.movie_id, movie.rank])));
  const below = (other) => (movie) => {
    const rank = other.get(movie.movie_id);
    return h("p", { className: "reasons" }, rank === undefined ? "only here" : rank === movie.rank ? "same place in the other" : `number ${rank} in the other`);
  };
  const column = ({ movies }, index) =>
    h(
      "section",
      { className: "card" },
      h("h3", {}, named(runs[index])),
      movies.length ? ranking(movies, { value: (movie) => movie.score, most: question.most, below: below(places[1 - index]), name: question.name }) : h("p", {}, "Nothing."),
    );
  const most = Math.max(...lists.map(({ movies }) => movies.length));
  const summary = `${shared} of ${most} movies are in both lists.`;
  element.replaceChildren(h("h2", {}, question.heading), h("p", { className: "soft" }, summary), h("div", { className: "columns even" }, lists.map(column)));
  announce(summary);
}

