// Lets forms with data-ceremony ask the browser for a security key or passkey.
// data-ceremony: "create" or "get"; data-options and data-finish: where to ask and where to answer.
// data-ask-with: the field that is sent with the question already.
// data-autofill: also offer passkeys in the field for the user name. Without this file the forms stay hidden.
"use strict";

const LINE = new TextDecoder();

function decode(text) {
  const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(plain, (sign) => sign.charCodeAt(0));
}

function encode(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function withBytes(options) {
  const descriptors = (list) => (list || []).map((one) => ({ ...one, id: decode(one.id) }));
  const read = { ...options, challenge: decode(options.challenge) };
  if (options.user) read.user = { ...options.user, id: decode(options.user.id) };
  if (options.excludeCredentials) read.excludeCredentials = descriptors(options.excludeCredentials);
  if (options.allowCredentials) read.allowCredentials = descriptors(options.allowCredentials);
  return read;
}

function asJson(credential) {
  const answer = credential.response;
  const response = { clientDataJSON: encode(answer.clientDataJSON) };
  for (const name of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (answer[name]) response[name] = encode(answer[name]);
  }
  if (answer.getTransports) response.transports = answer.getTransports();
  return {
    id: credential.id,
    rawId: credential.id,
    type: credential.type,
    response,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
  };
}

async function post(form, path, body) {
  const answer = await fetch(path, {
    method: "POST",
    credentials: "same-origin",
    headers: {
      "Content-Type": "application/json",
      Accept: "application/json",
      "X-CSRFToken": form.elements.csrfmiddlewaretoken.value,
    },
    body: JSON.stringify(body),
  });
  const told = LINE.decode(await answer.arrayBuffer());
  const isJson = (answer.headers.get("Content-Type") || "").includes("json");
  if (answer.ok && isJson) return JSON.parse(told);
  throw new Error(isJson ? sentenceOf(JSON.parse(told)) : told);
}

function sentenceOf(problem) {
  return [problem.detail || problem.title, problem.fix && problem.fix.text].filter(Boolean).join(" ");
}

function fieldsOf(form, isWanted) {
  return Object.fromEntries([...new FormData(form)].filter(([name]) => isWanted(name)));
}

async function askBrowser(form, kind, extra) {
  const asked = fieldsOf(form, (name) => name === form.dataset.askWith);
  const options = withBytes(await post(form, form.dataset.options, asked));
  const ask = { publicKey: options, ...extra };
  return kind === "create" ? navigator.credentials.create(ask) : navigator.credentials.get(ask);
}

async function carryOut(form, extra) {
  const credential = await askBrowser(form, form.dataset.ceremony, extra);
  const fields = fieldsOf(form, (name) => name !== "csrfmiddlewaretoken");
  const done = await post(form, form.dataset.finish, { ...fields, response: asJson(credential) });
  window.location.assign(done.location);
}

function tell(form, error) {
  const place = form.querySelector("[data-trouble]");
  const wasLeft = error.name === "NotAllowedError" || error.name === "AbortError";
  const isKnown = error.name === "InvalidStateError";
  place.textContent = wasLeft
    ? "Nothing was used: you stopped, or it took too long. Try again when you are ready."
    : isKnown
      ? "This security key is enrolled already. Use another one."
      : error.message;
  place.hidden = false;
}

// A challenge lives for five minutes; a page may stand open for longer.
const ASK_AGAIN = 4 * 60 * 1000;

function visible() {
  if (document.visibilityState === "visible") return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

// Offers passkeys in the field for the user name, until one is used or the returned function is called.
function offerInField(form) {
  let isOver = false;
  let round = null;
  const stop = () => {
    isOver = true;
    if (round) round.abort();
  };
  const offer = async () => {
    const can = PublicKeyCredential.isConditionalMediationAvailable;
    if (!can || !(await can.call(PublicKeyCredential))) return;
    while (!isOver) {
      await visible();
      round = new AbortController();
      const timer = setTimeout(() => round.abort(), ASK_AGAIN);
      try {
        await carryOut(form, { mediation: "conditional", signal: round.signal });
        return;
      } catch (error) {
        if (error.name === "NotAllowedError") return;
        if (error.name !== "AbortError") {
          tell(form, error);
          return;
        }
      } finally {
        clearTimeout(timer);
      }
    }
  };
  offer();
  return stop;
}

function setUp(form) {
  const button = form.querySelector("button");
  const offer = () => ("autofill" in form.dataset ? offerInField(form) : () => {});
  let stop = offer();
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    stop();
    button.disabled = true;
    form.querySelector("[data-trouble]").hidden = true;
    try {
      await carryOut(form, {});
    } catch (error) {
      tell(form, error);
      button.disabled = false;
      button.focus();
      stop = offer();
    }
  });
}

if (window.PublicKeyCredential && window.isSecureContext) {
  document.querySelectorAll("form[data-ceremony]").forEach(setUp);
  document.querySelectorAll("[data-without-keys]").forEach((one) => { one.hidden = true; });
}
