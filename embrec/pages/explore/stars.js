/* A star rating: five radio buttons, so that arrow keys work too. */

import { h, titled } from "./dom.js";

let groups = 0;

/** Create a star rating; onChange is called with 1 to 5. */
export function stars(movie, given, onChange) {
  const name = `stars-${++groups}`;
  const star = (value) =>
    h(
      "label",
      {},
      h("input", { type: "radio", name, value, checked: value === given, onchange: () => onChange(value) }),
      h("span", { "aria-hidden": "true" }, "★"),
      h("span", { className: "visually-hidden" }, `${value} of 5`),
    );
  const legend = h("legend", { className: "visually-hidden" }, `Your stars for ${titled(movie)}`);
  return h("fieldset", { className: "stars" }, legend, [1, 2, 3, 4, 5].map(star));
}
