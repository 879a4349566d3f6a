/* The filters on recommendations: genres, years, and diversity. */

import { get } from "./api.js";
import { h, patient } from "./dom.js";

const NAMES = ["released_from", "released_to"];

/** Return the filters in an address, as parameters of the endpoints. */
export function chosenFilters(parameters) {
  const year = (name) => (/^\d{1,4}$/.test(parameters.get(name) ?? "") ? Number(parameters.get(name)) : undefined);
  const diversity = Number(parameters.get("diversity"));
  const found = { genres: parameters.getAll("genres"), diversity: diversity >= 0 && diversity <= 1 ? diversity : 0 };
  for (const name of NAMES) if (year(name) !== undefined) found[name] = year(name);
  if (!found.genres.length) delete found.genres;
  return found;
}

/** Return filters as parameters of an address. */
export function filterParameters({ genres = [], diversity, ...years }) {
  return [...genres.map((genre) => ["genres", genre]), ...Object.entries(years), ...(diversity ? [["diversity", diversity]] : [])];
}

/**
 * Create the filter controls.
 *
 * @param {object} chosen The filters, which they change.
 * @param {function} onChange A function called after each change.
 * @param {{diversity: boolean, more: HTMLElement}} options False for answers without diversity; and a further control.
 */
export function filterControls(chosen, onChange, options = { diversity: true }) {
  const changed = patient(onChange, 150);
  const genres = h("div", { className: "chips", role: "group", "aria-label": "Genres" });
  const years = NAMES.map((name, end) =>
    h("input", {
      type: "number",
      min: 0,
      max: 9999,
      value: chosen[name] ?? "",
      "aria-label": end ? "Last release year" : "First release year",
      oninput: (event) => {
        const usable = event.target.value !== "" && event.target.validity.valid;
        if (usable) chosen[name] = Number(event.target.value);
        else delete chosen[name];
        changed();
      },
    }),
  );
  const output = h("output", {}, chosen.diversity.toFixed(1));
  const slider = h("input", {
    id: "diversity",
    type: "range",
    min: 0,
    max: 1,
    step: 0.1,
    value: chosen.diversity,
    oninput: (event) => {
      chosen.diversity = Number(event.target.value);
      output.textContent = chosen.diversity.toFixed(1);
      changed();
    },
  });

  function chip({ genre }) {
    const pressed = () => (chosen.genres ?? []).includes(genre);
    const button = h("button", { type: "button", className: "chip", "aria-pressed": String(pressed()) }, genre);
    button.addEventListener("click", () => {
      const others = (chosen.genres ?? []).filter((each) => each !== genre);
      chosen.genres = pressed() ? others : [...others, genre];
      if (!chosen.genres.length) delete chosen.genres;
      button.setAttribute("aria-pressed", String(pressed()));
      changed();
    });
    return button;
  }

  const fields = h(
    "fieldset",
    { className: "filters" },
    h("legend", {}, "Narrow the list"),
    genres,
    h("div", { className: "years" }, h("span", {}, "Released"), years[0], h("span", { "aria-hidden": "true" }, "to"), years[1]),
    options.diversity && h("div", { className: "diversity" }, h("label", { for: "diversity" }, "Diversity"), slider, output),
    options.more,
  );
  get("genres").then((answer) => {
    genres.replaceChildren(...answer.genres.map(chip));
    const bound = (name, choose) => answer.genres.map((each) => each[name]).filter(Boolean).reduce((a, b) => choose(a, b), undefined);
    years[0].placeholder = bound("released_from", (a, b) => Math.min(a ?? b, b)) ?? "any";
    years[1].placeholder = bound("released_to", (a, b) => Math.max(a ?? b, b)) ?? "any";
  }, () => {}); // the list below shows the error
  return fields;
}
