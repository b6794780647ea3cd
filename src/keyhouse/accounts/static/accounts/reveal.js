// Gives every <input data-reveal> a button that shows what was typed. Without this file it stays hidden.
"use strict";

function addRevealButton(input) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet small";
  button.textContent = "Show";
  button.setAttribute("aria-controls", input.id);
  button.setAttribute("aria-pressed", "false");
  const conceal = (hidden) => {
    input.type = hidden ? "password" : "text";
    button.textContent = hidden ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!hidden));
  };
  button.addEventListener("click", () => conceal(input.type === "text"));
  // password managers and browsers keep a field's text only where it is a password field when it is sent
  if (input.form) input.form.addEventListener("submit", () => conceal(true));
  input.after(button);
}

document.querySelectorAll("input[data-reveal]").forEach(addRevealButton);
