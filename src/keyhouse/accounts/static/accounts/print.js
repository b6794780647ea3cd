// Gives every <p data-print> a button that prints the page. Without this file the browser's own menu does.
"use strict";

function addPrintButton(place) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet";
  button.textContent = "Print";
  button.addEventListener("click", () => window.print());
  place.append(" ", button);
}

document.querySelectorAll("[data-print]").forEach(addPrintButton);
