// Keys for the review desk. The page works without them.
"use strict";

(() => {
  const form = document.getElementById("decision-form");
  if (!form) return;
  const keys = { a: "approved", c: "changes", r: "rejected" };
  const radio = (value) => form.querySelector(`input[name="outcome"][value="${value}"]`);

  for (const [key, value] of Object.entries(keys)) {
    const shown = form.querySelector(`kbd[data-key-of="${radio(value).id}"]`);
    shown.textContent = key.toUpperCase();
    shown.hidden = false;
  }
  document.querySelectorAll("[data-keys]").forEach((each) => { each.hidden = false; });

  // Conditions and validity belong to an approval only; what was typed in them stays.
  const onlyApproval = form.querySelector("[data-approval-only]");
  const follow = () => {
    const chosen = form.querySelector('input[name="outcome"]:checked');
    const away = chosen !== null && chosen.value !== "approved";
    onlyApproval.hidden = away;
    onlyApproval.querySelectorAll("input, textarea").forEach((each) => { each.disabled = away; });
  };
  form.addEventListener("change", follow);
  follow();

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.ctrlKey) {
      if (form.contains(event.target)) form.requestSubmit();
      return;
    }
    const typing = event.target.closest("textarea, select, input:not([type=radio]):not([type=checkbox])");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const value = keys[event.key.toLowerCase()];
    if (!value) return;
    event.preventDefault();
    radio(value).checked = true;
    radio(value).focus();
    form.dispatchEvent(new Event("change"));
  });
})();
