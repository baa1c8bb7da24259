// The portal works without this file; it adds comfort. No inline script anywhere (CSP).
"use strict";

// A form that was sent is not sent twice by a second click.
let sent = false;
document.addEventListener("submit", (event) => {
  const form = event.target;
  sent ||= form.method === "post";
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (event.defaultPrevented || form.method !== "post") return;
  form.dataset.sent = "1";
  setTimeout(() => delete form.dataset.sent, 5000); // an answer may be a download
});
window.addEventListener("pageshow", (event) => {
  // The browser's Back brings the page as it was left: its form has made something, so it is fetched afresh.
  if (event.persisted && sent) location.reload();
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// A button that acts on what is saved waits while its form says something else.
for (const button of document.querySelectorAll("button[data-when-unchanged]")) {
  const words = document.getElementById(button.getAttribute("aria-describedby"));
  const usual = words.textContent;
  const follow = () => {
    button.disabled = [...button.form.elements].some((each) => {
      if (each.matches("select")) {
        return each.selectedIndex !== Math.max([...each.options].findIndex((one) => one.defaultSelected), 0);
      }
      if (each.matches("[type=checkbox], [type=radio]")) return each.checked !== each.defaultChecked;
      return each.matches("input, textarea") && each.value !== each.defaultValue;
    });
    const said = button.disabled ? words.dataset.else : usual;
    if (words.textContent !== said) words.textContent = said;
  };
  button.form.addEventListener("input", follow);
  button.form.addEventListener("change", follow);
  button.form.addEventListener("reset", () => setTimeout(follow));
  window.addEventListener("pageshow", follow); // a reload may bring back what was typed
}

// What was wrong with a form is read out first.
document.getElementById("problems")?.focus();

// Tables that scroll sideways can be reached by keyboard.
const reach = () =>
  document.querySelectorAll(".wide").forEach((box) => {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  });
reach();
window.addEventListener("resize", reach);

// A page that follows by itself: nothing is exchanged for the same text, so nothing is read out again; and what
// was scrolled or reached by keyboard in it stays so.
const texts = new Map();
let held = null;
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, serverResponse } = event.detail;
  if (texts.get(target.id) === serverResponse) event.detail.shouldSwap = false;
  texts.set(target.id, serverResponse);
  const here = target.contains(document.activeElement) ? document.activeElement.id : "";
  held = { id: target.id, here, lefts: [...target.querySelectorAll(".wide")].map((box) => box.scrollLeft) };
});
document.addEventListener("htmx:afterSettle", () => {
  reach();
  if (!held) return;
  document.getElementById(held.id)?.querySelectorAll(".wide").forEach((box, place) => {
    box.scrollLeft = held.lefts[place] ?? 0;
  });
  if (held.here) document.getElementById(held.here)?.focus({ preventScroll: true });
  held = null;
});

// A copy button beside a secret that is shown once.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  navigator.clipboard?.writeText(document.getElementById(button.dataset.copy).textContent.trim()).then(() => {
    button.textContent = "Copied";
  });
});
