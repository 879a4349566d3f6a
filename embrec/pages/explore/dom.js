/* Helpers that create elements, and components shared by all views. */

import { link } from "./route.js";

/** Create an element, with properties (or attributes, if the name is role or for or has a hyphen) and children. */
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

/** Announce a message to screen readers. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

export const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
export const titled = (movie) => movie.title || movie.movie_id;
export const movieLink = (movie) => h("a", { href: link("movie", movie.movie_id) }, titled(movie));

/** Create a bar for a number; it is hidden from screen readers, because the number is beside it. */
export function bar(value, most) {
  return h("meter", { min: 0, max: most || 1, value: Math.max(value, 0), "aria-hidden": "true" });
}

/** Create an ordered list of movies: for each its title, a bar with a number, and details below. */
export function ranking(movies, { value, most, shown = (score) => score.toFixed(2), below = () => null, name }) {
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
        h("span", { className: "number" }, h("span", { className: "visually-hidden" }, `${name} `), shown(value(movie), movie)),
        below(movie),
      ),
    ),
  );
}

/**
 * Create the explanation of a recommendation: what contributed most, and one that speaks against it. A movie that was
 * watched has no rating.
 */
export function reasons(because, although, whose, middle) {
  if (!because.length && !although.length) return null;
  const rated = because.every((each) => each.rating !== null);
  const verb = !rated ? "watched" : because.every((each) => each.rating >= middle) ? "liked" : "rated";
  const stars = (each) => (each.rating === null ? "" : `\u00a0${each.rating}\u00a0★`);
  const named = (movies) => movies.flatMap((each, index) => [index ? " · " : "", h("b", {}, titled(each)), stars(each)]);
  const opposite = although.every((each) => each.rating !== null) ? "rated" : "watched";
  const against = although.length ? [because.length ? ", although " : "Although ", `${whose} ${opposite} `, ...named(although)] : [];
  return h("p", { className: "reasons" }, because.length > 0 && `Because ${whose} ${verb} `, named(because), against);
}

/** Say how popular a movie is: its likes and weighted events, or that it is last because it resembles disliked movies. */
export const popularity = (score) => (score < 0 ? "like what is disliked" : score.toLocaleString("en", { maximumFractionDigits: 1 }));

export const plainScore = (score) => score.toFixed(3);

/** Say how often a movie was rated, and how often watched; a kind that there is none of is left out. */
export const activity = (movie) => [movie.rating_count && counted(movie.rating_count, "rating"), movie.event_count && counted(movie.event_count, "event")].filter(Boolean).join(" · ");

/** Write a time, in the time zone of the browser. */
export const moment = (time) => (time ? new Date(time).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" }) : "time unknown");

/** Show that an answer is loading. */
export function loading(element, text = "Loading …") {
  element.replaceChildren(h("p", { className: "soft loading" }, text));
}

/** Show an error, and a button to try again. */
export function problem(element, error, again) {
  if (error.name === "AbortError") return; // the user went to another view
  const button = again && h("button", { type: "button", onclick: again }, "Try again");
  element.replaceChildren(h("div", { className: "card problem", role: "alert" }, h("p", {}, error.message), button));
}

/** Debounce a function: call it once no call came for a moment. */
export function patient(action, milliseconds = 200) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
}
