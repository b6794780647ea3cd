// Gives every <pre data-copy> a button that copies its text. Without this file the text is selected by hand.
"use strict";

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

if (navigator.clipboard) {
  document.querySelectorAll("[data-copy]").forEach(addCopyButton);
}
