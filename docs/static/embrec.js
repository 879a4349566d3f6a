// What the theme leaves out for keyboards and screen readers.
document.addEventListener("DOMContentLoaded", () => {
  for (const code of document.querySelectorAll("pre, .table-wrapper, table.dataframe")) {
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0; // so that the arrow keys scroll it
  }
  for (const caption of document.querySelectorAll("p.caption[role=heading]")) caption.ariaLevel = "2";
  document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");
});
