/* The entry point: shows the view that the address names, now and whenever it changes. */

import { get, runAsked } from "./api.js";
import { compareView } from "./compare.js";
import { h, loading, problem } from "./dom.js";
import { likedParameters } from "./liked.js";
import { mapView } from "./map.js";
import { movieView } from "./movie.js";
import { address, here, link } from "./route.js";
import { allRuns, listenForRun, loadRuns, named, showRun } from "./runs.js";
import { seenParameters } from "./seen.js";
import { sessionView } from "./session.js";
import { tasteView } from "./taste.js";
import { userView } from "./user.js";

const VIEWS = { movie: movieView, liked: tasteView, session: sessionView, user: userView, compare: compareView, map: mapView };
/** The parameters that keep what a visitor said, by view. */
const KEPT = { liked: likedParameters, session: seenParameters };
const root = document.getElementById("main");
let leaving = new AbortController();

async function show(arrived) {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const place = here();
  loading(root);
  try {
    await loadRuns(signal);
    showRun();
    showNavigation(place);
    const state = await get("health", runAsked(), signal);
    root.replaceChildren();
    if (state.state !== "ready") nothingYet(state);
    else {
      const shown = (VIEWS[place.view] ?? movieView)(root, place, signal);
      if (arrived) root.querySelector("h1")?.focus();
      await shown;
    }
  } catch (error) {
    if (place.run && [404, 422].includes(error.status)) noSuchRun(error, place);
    else problem(root, error, () => show(true));
  }
}

/** Show how to go on if the run in the address does not exist, or was deleted. */
function noSuchRun(error, { view, id, parameters }) {
  parameters.delete("run");
  problem(root, error);
  root.append(h("p", {}, h("a", { className: "button", href: address(view, id, parameters) }, "Ask the published run")));
}

/** Show how to go on if there is no run to ask. */
function nothingYet({ state, next_step: command }) {
  const empty = state === "empty";
  const unpublished = allRuns().map((run) => h("li", {}, h("a", { href: link("movie", "", { run: run.model_run_id }) }, named(run))));
  root.append(
    h("h1", { tabIndex: -1 }, empty ? "No movies yet" : "No run is published yet"),
    h(
      "div",
      { className: "card" },
      h("p", {}, empty ? "Load ratings or events, then train a model. In a terminal:" : "Train a model, which publishes it. In a terminal:"),
      h("pre", {}, empty ? `${command}\nembrec train` : command),
      unpublished.length ? [h("p", {}, "Or look at one that is trained already, before it is published:"), h("ul", {}, unpublished)] : null,
      h("button", { type: "button", className: "primary", onclick: () => show(true) }, "Look again"),
    ),
  );
}

function showNavigation(place) {
  for (const each of document.querySelectorAll("nav a")) {
    const { view } = each.dataset;
    each.href = link(view, "", KEPT[view]?.() ?? {});
    if (view === place.view) each.setAttribute("aria-current", "page");
    else each.removeAttribute("aria-current");
    if (view === place.view) document.title = `${each.textContent} · embrec`;
  }
}

// This link cannot point to an anchor, because the hash names the view.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  root.focus();
});
addEventListener("hashchange", () => show(true));
listenForRun();
show(false);
