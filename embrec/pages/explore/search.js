/* A search box that lists movies by title (the ARIA combobox pattern). */

import { get } from "./api.js";
import { announce, counted, h, patient, titled } from "./dom.js";

const NONE = "No title has all these words.";
let boxes = 0;

/**
 * @param {string} label The label of the box.
 * @param {function} onPick A function called with the selected movie.
 * @returns {HTMLElement}
 */
export function movieSearch(label, onPick) {
  const id = `search-${++boxes}`;
  const list = h("ul", { id: `${id}-list`, className: "options", role: "listbox", "aria-label": "Movies found", hidden: true });
  const input = h("input", {
    id,
    type: "search",
    placeholder: "Words of a title",
    autocomplete: "off",
    role: "combobox",
    "aria-expanded": "false",
    "aria-controls": list.id,
    "aria-autocomplete": "list",
  });
  let movies = [];
  let current = -1;
  let asked = new AbortController();
  let waiting = false;
  let entered = false; // Enter was pressed while an answer was loading

  function open(whether) {
    list.hidden = !whether;
    input.setAttribute("aria-expanded", String(whether));
    if (!whether) mark(-1);
  }

  function mark(index) {
    current = index;
    [...list.children].forEach((option, each) => option.setAttribute("aria-selected", String(each === index)));
    if (index < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", list.children[index].id);
    list.children[index].scrollIntoView({ block: "nearest" });
  }

  function take(index) {
    const movie = movies[index];
    open(false);
    input.value = "";
    onPick(movie);
  }

  const option = (movie, index) =>
    h(
      "li",
      { id: `${list.id}-${index}`, role: "option", "aria-selected": "false", onclick: () => take(index) },
      h("span", {}, titled(movie)),
      h("small", {}, movie.genres.join(", ")),
    );

  /** Discard the results of the earlier words, and search again. */
  function changed() {
    asked.abort();
    movies = [];
    entered = false;
    waiting = input.value.trim() !== "";
    open(false);
    find();
  }

  const find = patient(async () => {
    const query = input.value.trim();
    if (!query) return;
    asked = new AbortController();
    try {
      ({ movies } = await get("movies", { query: query.slice(0, 200), n: 8 }, asked.signal));
    } catch (error) {
      if (error.name === "AbortError") return;
      waiting = false;
      return announce(error.message);
    }
    waiting = false;
    if (entered && movies.length) return take(0);
    list.replaceChildren(...(movies.length ? movies.map(option) : [h("li", { className: "none", role: "option", "aria-disabled": "true" }, NONE)]));
    open(true);
    announce(movies.length ? `${counted(movies.length, "movie")} found` : NONE);
  });

  function key(event) {
    if (event.key === "Escape") return open(false);
    if (waiting && event.key === "Enter") entered = true;
    if (list.hidden || !movies.length) return;
    const last = movies.length - 1;
    if (event.key === "ArrowDown") mark(current >= last ? 0 : current + 1);
    else if (event.key === "ArrowUp") mark(current <= 0 ? last : current - 1);
    else if (event.key === "Enter") take(Math.max(current, 0));
    else return;
    event.preventDefault();
  }

  input.addEventListener("input", changed);
  input.addEventListener("keydown", key);
  input.addEventListener("blur", () => open(false));
  list.addEventListener("pointerdown", (event) => event.preventDefault()); // keeps the focus in the box
  return h("div", { className: "search" }, h("label", { for: id }, label), input, list);
}
