/* Elements, and the few pieces that all views are made of. */

import { link } from "./route.js";

/** An element: properties by name, attributes where the name has a hyphen or is role or for, then what is in it. */
export function h(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for") made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => ![null, undefined, false].includes(child)));
  return made;
}

/** Tell somebody who listens instead of looking. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

export const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
export const titled = (movie) => movie.title || movie.movie_id;
export const movieLink = (movie) => h("a", { href: link("movie", movie.movie_id) }, titled(movie));

/** A number as a bar, which who listens is spared: the number stands beside it. */
export function bar(value, most) {
  return h("meter", { min: 0, max: most || 1, value: Math.max(value, 0), "aria-hidden": "true" });
}

/** Movies in order: for each its title, a bar with a number, and what is to be said below. */
export function ranking(movies, { value, most, shown = (each) => each.toFixed(2), below = () => null, name }) {
  const top = most ?? Math.max(...movies.map(value), 0);
  return h(
    "ol",
    { className: "ranking" },
    movies.map((movie) =>
      h(
        "li",
        {},
        h("span", { className: "rank", "aria-hidden": "true" }, movie.rank),
        h("span", { className: "title" }, movieLink(movie)),
        bar(value(movie), top),
        h("span", { className: "number" }, h("span", { className: "visually-hidden" }, `${name} `), shown(value(movie))),
        below(movie),
      ),
    ),
  );
}

/** Why a movie is in the list: the ratings that speak for it. */
export function reasons(ratings, whose, middle) {
  if (!ratings.length) return null;
  const verb = ratings.every((each) => each.rating >= middle) ? "liked" : "rated";
  const titles = ratings.map((each, index) => [index ? " · " : "", h("b", {}, titled(each)), `\u00a0${each.rating}\u00a0★`]);
  return h("p", { className: "reasons" }, `Because ${whose} ${verb} `, titles.flat());
}

/** Say that something is on its way. */
export function loading(element, text = "Loading …") {
  element.replaceChildren(h("p", { className: "soft loading" }, text));
}

/** Say what went wrong, and offer to try again. */
export function problem(element, error, again) {
  if (error.name === "AbortError") return; // somebody has gone on
  const button = again && h("button", { type: "button", onclick: again }, "Try again");
  element.replaceChildren(h("div", { className: "card problem", role: "alert" }, h("p", {}, error.message), button));
}

/** A function that is called when nothing was asked of it for a moment. */
export function patient(action, milliseconds = 200) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
}
