/* Lists of what comes next, with the steps that speak for each movie. */

import { get, runAsked } from "./api.js";
import { counted, h, moment, movieLink, plainScore, popularity, problem, ranking, titled } from "./dom.js";
import { allRuns, answeringRun } from "./runs.js";

/** Return whether a run learned in which order things are watched; the one that answers here, if none is named. */
export function knowsOrder(number = null) {
  const run = number === null ? answeringRun() : allRuns().find((each) => each.model_run_id === number);
  return Boolean(run && run.history_length !== null);
}

/** Say in a line why a run has lists alone. */
export const withoutOrder = () =>
  h("p", { className: "soft" }, "This run knows no order: times were missing when it was trained, or it was trained with ", h("code", {}, "--no-next"), ". So its lists are all that it has.");

/** Create the list of what comes next. */
export function nextRanking(movies, below) {
  const shown = (score, { basis }) => (basis !== "popularity" ? plainScore(score) : score ? popularity(score) : "popular");
  return ranking(movies, { value: (movie) => movie.score, shown, below, name: "score" });
}

/** Create the explanation of a movie that comes next: the steps that contribute most, and all of them on request. */
export function why(movie, user, signal) {
  if (movie.basis === "popularity") return h("p", { className: "reasons" }, "Popular; no step speaks for it.");
  const all = h("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": `All steps for ${titled(movie)}` });
  let asked = false;
  const ask = async () => {
    if (asked) return;
    asked = true;
    try {
      all.replaceChildren(steps(await get("next/explanation", { ...runAsked(), user_id: user, movie_id: movie.movie_id }, signal)));
    } catch (error) {
      asked = false;
      problem(all, error);
    }
  };
  return h(
    "div",
    { className: "reasons" },
    sentence(movie.reasons, movie.although),
    h("details", { ontoggle: (event) => event.target.open && ask() }, h("summary", {}, "All steps"), all),
  );
}

/** Say which steps speak for a movie, the newest one first if it does. */
function sentence(reasons, although) {
  const named = (some) => some.flatMap((step, index) => [index ? " · " : "", h("b", {}, titled(step))]);
  const verb = (some) => (some.every((step) => step.event_type === "rating") ? "rated" : "watched");
  const [newest, earlier] = [reasons.filter((step) => step.age === 0), reasons.filter((step) => step.age > 0)];
  const parts = [];
  if (newest.length) parts.push(`Because the user just ${verb(newest)} `, ...named(newest), earlier.length ? ", and earlier " : "");
  else if (earlier.length) parts.push(`Because the user ${verb(earlier)} `);
  parts.push(...named(earlier));
  if (although.length) parts.push(parts.length ? ", although they " : "Although they ", `${verb(although)} `, ...named(although));
  return h("p", {}, parts);
}

function steps({ score, steps: all }) {
  const row = (step) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, movieLink(step), h("small", { className: "soft" }, ` ${step.event_type} · ${moment(step.occurred_at)}`)),
      h("td", { className: "number" }, step.age),
      h("td", { className: "number" }, plainScore(step.contribution)),
    );
  const head = ["step", "age", "adds"].map((name, column) => h("th", { scope: "col", className: column ? "number" : "" }, name));
  return h(
    "table",
    {},
    h("caption", {}, `${counted(all.length, "step")} of the history, which add up to the score of ${plainScore(score)}. Age 0 is the newest.`),
    h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, all.map(row)),
  );
}
