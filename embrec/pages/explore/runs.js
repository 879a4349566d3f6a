/* The runs that can answer, and the selected one. */

import { get } from "./api.js";
import { h } from "./dom.js";
import { address, here } from "./route.js";

let found = [];

export const allRuns = () => found;

/** Return the run that answers: the one in the address, or the published one. */
export function answeringRun() {
  const number = Number(here().run);
  return found.find((run) => (number ? run.model_run_id === number : run.published));
}

export const named = (run) => `run ${run.model_run_id} · ${run.architecture}${run.published ? " · published" : ""}`;

/** Return whether stars mean something to the run that answers: it learned from ratings that differ. */
export function knowsStars() {
  const run = answeringRun();
  return !run || run.lowest_rating < run.highest_rating;
}

/** Return the middle of the rating scale of the run that answers. */
export function middle() {
  const run = answeringRun();
  return ((run?.lowest_rating ?? 1) + (run?.highest_rating ?? 5)) / 2;
}

/** Load the runs, and fill the box that selects one. */
export async function loadRuns(signal) {
  found = (await get("runs", {}, signal)).runs;
}

/** Create the options of a box that selects a run. */
export const runOptions = (chosen) =>
  found.map((run) => h("option", { value: run.model_run_id, selected: run.model_run_id === chosen }, named(run)));

/** Show the run that answers. */
export function showRun() {
  const select = document.getElementById("run");
  select.closest("label").hidden = !found.length;
  const run = answeringRun();
  select.replaceChildren(...runOptions(run?.model_run_id));
  if (!run) select.selectedIndex = -1; // or it would show the first run
}

/** Let the box change the run that answers. */
export function listenForRun() {
  document.getElementById("run").addEventListener("change", (event) => {
    const run = found.find((each) => each.model_run_id === Number(event.target.value));
    const { view, id, parameters } = here();
    if (run.published) parameters.delete("run");
    else parameters.set("run", run.model_run_id);
    location.hash = address(view, id, parameters);
  });
}
