// What all pages share. Without this file texts are selected by hand, times are read in UTC, and a form is sent as often
// as its button is pressed.
"use strict";

// Gives every <pre data-copy> a button that copies its text.
function addCopyButton(block) {
  const button = document.createElement("button");
  const frame = document.createElement("div");
  button.type = "button";
  button.textContent = "Copy";
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.textContent.trim());
      button.textContent = "Copied";
    } catch {
      window.getSelection().selectAllChildren(block);
      button.textContent = "Selected";
    }
    window.setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  });
  frame.className = "copying";
  block.replaceWith(frame);
  frame.append(block, button);
}

// Pages say instants in UTC, the same for everybody who compares notes; pointing at one tells it in the reader's zone.
function tellInOwnZone(time) {
  const instant = new Date(time.dateTime);
  if (!Number.isNaN(instant.valueOf())) {
    const here = instant.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" });
    time.title = time.title ? `${time.title}\n${here}` : here;
    // on a time line of a mandate it stands beside UTC, for whoever isn't there
    if (time.closest(".campaign") && instant.getTimezoneOffset() !== 0) {
      time.append(` · ${instant.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })} for you`);
    }
  }
}

// What is wider than its place is scrolled by the arrow keys; where nothing is, it is no stop of the Tab key.
function reachByKeyboard(block) {
  block.toggleAttribute("tabindex", false);
  if (block.scrollWidth > block.clientWidth) block.tabIndex = 0;
}

function reachAll() {
  document.querySelectorAll("pre, .prose table").forEach(reachByKeyboard);
}

// Where the tabs are one row that scrolls, the open one is in view.
function showOpenTab(link) {
  const row = link.closest("ul");
  row.scrollLeft += link.getBoundingClientRect().right - row.getBoundingClientRect().right + 48;
}

// A form that is on its way is not sent by a second press as well: two tokens, or a refusal of what has just been done.
// Coming back to the page, or after a while (its answer may be a file, or lost), it can be sent again.
const ON_ITS_WAY_MILLISECONDS = 10000;

function sendOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post") return;
  if (form.getAttribute("aria-busy") === "true") {
    event.preventDefault();
    return;
  }
  form.setAttribute("aria-busy", "true");
  window.setTimeout(() => form.removeAttribute("aria-busy"), ON_ITS_WAY_MILLISECONDS);
}

document.addEventListener("submit", sendOnce);
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[aria-busy]").forEach((form) => form.removeAttribute("aria-busy"));
});

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach(addCopyButton);
}
document.querySelectorAll("time[datetime*='T']").forEach(tellInOwnZone);
document.querySelectorAll(".tabs a[aria-current]").forEach(showOpenTab);
reachAll();
window.addEventListener("resize", reachAll);
