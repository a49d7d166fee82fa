"use strict";

// What the program says, again and again, and what it was told here. Nothing is loaded from elsewhere.

const POLL_MS = 250;
const STEP_MS = 120000;

const APPS = { messenger: "Messenger", whatsapp: "WhatsApp", sms: "SMS", email: "E-mail", voice: "Call" };
const THEN = { messenger: "Messenger", whatsapp: "WhatsApp", sms: "an SMS", email: "an e-mail", voice: "a call" };
const BY = { messenger: "Vonage", whatsapp: "Chats & Calls", sms: "Texts Inc.", email: "the mail service", voice: "Chats & Calls" };
const CARRIERS = {
  vonage: ["Vonage", "Messenger"], texts: ["Texts Inc.", "SMS"],
  chats: ["Chats & Calls", "WhatsApp, calls"], mail: ["Mail service", "e-mail"],
};
const MODES = {
  works: "takes it", refuses: "refuses one", loses: "loses an answer", down: "is down",
};
const UNMET = { read: "Not read", verified: "Code not typed" };
const CONDITION = { messenger: "read", whatsapp: "read" };
const STATES = {
  sending: "on its way to the carrier", accepted: "taken by the carrier", submitted: "handed on by the carrier",
  delivered: "on the phone", read: "read", rejected: "refused by the carrier", undeliverable: "could not be delivered",
  failed: "certainly not sent", in_doubt: "perhaps sent: the answer was lost, so it is never sent twice",
  skipped: "left out: the limit is reached", stopped: "not needed any more",
};
const LOOKS = { delivered: "good", read: "good", rejected: "bad", undeliverable: "bad", failed: "bad", skipped: "bad", in_doubt: "doubt" };

const $ = (id) => document.getElementById(id);

/** An element with these properties and children; text is always text. */
function el(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function icon(channel) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${channel}`);
  drawing.append(use);
  return el("span", { className: `icon ${channel}`, ariaHidden: "true" }, drawing);
}

const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

function duration(ms) {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const [minutes, rest] = [Math.floor(seconds / 60), seconds % 60];
  if (minutes === 0) return `${rest} s`;
  return rest === 0 || minutes > 9 ? `${minutes} min` : `${minutes} min ${rest} s`;
}

const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

// Requests

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  });
  return response.json();
}

/** Tells a result in words, with its name as programs see it. */
function say(place, look, words, name) {
  place.className = `result ${look}`;
  place.replaceChildren(words, ...(name ? [el("code", {}, name)] : []));
}

function lockWords(reply) {
  if (reply.locked === "code") return "Locked: too many wrong codes. Not even the right one is looked at. Create a new code.";
  if (reply.locked === "disabled") return "Locked until support unlocks this number: far too many failures.";
  return `Locked for ${duration(reply.retryAfterSeconds * 1000)}: too many failures in a row for this number.`;
}

function createWords(reply) {
  const by = APPS[reply.delivery?.channel];
  switch (reply.result) {
    case "OTP_OK": return ["good", `Sent by ${by}.`];
    case "OTP_RATE_LIMITED":
      return ["bad", `Too many messages to this recipient. Try again in ${duration(reply.retryAfterSeconds * 1000)} of simulated time.`];
    case "OTP_LOCKED": return ["bad", lockWords(reply)];
    case "OTP_REFUSED": return ["bad", "No carrier sends to this recipient."];
    case "OTP_UNKNOWN": return ["bad", "There is no code yet. Create one first."];
    case "OTP_CHECKED": return ["bad", "This code was used already. Create a new one."];
    case "OTP_EXPIRED": return ["bad", "This code has expired. Create a new one."];
    case "OTP_E_SEND": return ["bad", "No carrier took it. The code stays good, if you want to send it again."];
    case "OTP_E_IN_DOUBT": return ["", "It may have been sent: the carrier's answer was lost. So it is not sent twice, and the code is good."];
    default: return ["bad", `${reply.message}${reply.detail ? `: ${reply.detail}` : "."}`];
  }
}

function verifyWords(reply) {
  switch (reply.result) {
    case "OTP_OK": return ["good", "Right: welcome. This code is used up now."];
    case "OTP_NOT_VALID":
      if (reply.attemptsLeft === undefined) return ["bad", "Wrong: there is no code. Create one first."];
      return ["bad", reply.attemptsLeft > 0
        ? `Wrong. ${counted(reply.attemptsLeft, "try is", "tries are")} left.`
        : "Wrong, and that was the last try."];
    case "OTP_CHECKED": return ["", "Already used: a code works once."];
    case "OTP_EXPIRED": return ["bad", "Expired: this code was right once, but it is too old. Create a new one."];
    case "OTP_LOCKED": return ["bad", lockWords(reply)];
    default: return ["bad", `${reply.message}${reply.detail ? `: ${reply.detail}` : "."}`];
  }
}

/** Sends a form, and shows what came of it; meanwhile its button rests. */
function onSubmit(form, button, result, path, body, words) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const reply = await post(path, body());
      say(result, ...words(reply), reply.result);
    } finally {
      button.disabled = false;
      await look();
    }
  });
}

// The phone

const shown = new Map();

function act(message, name, path, className) {
  return el("button", {
    type: "button", className, onclick: async () => {
      await post(path, { id: message.id });
      await look();
      shown.get(message.id)?.element.focus();
    },
  }, name);
}

function acts(message) {
  const isCall = message.channel === "voice";
  if (message.seen === "read") return null;
  const [yes, no] = isCall ? ["Answer", "Decline"] : ["Read", "Ignore"];
  if (message.seen === "ignored") {
    return isCall ? null : el("div", { className: "acts" }, act(message, "Read it after all", "/phone/read", "plain"));
  }
  return el("div", { className: "acts" }, act(message, yes, "/phone/read", "yes"), act(message, no, "/phone/ignore", "plain no"));
}

function note(message) {
  const isCall = message.channel === "voice";
  if (message.seen === "new") return el("p", { className: "note" }, isCall ? "Incoming call" : "New message");
  if (message.seen === "ignored") return el("p", { className: "note" }, isCall ? "Declined" : "Ignored");
  return el("p", { className: "text" }, message.text);
}

function draw(message, element) {
  element.className = `message ${message.channel} ${message.seen}${message.isOld ? " old" : ""}`;
  element.dataset.channel = message.channel;
  element.dataset.seen = message.seen;
  element.replaceChildren(
    el("div", { className: "head" }, icon(message.channel), el("b", {}, APPS[message.channel]),
      el("time", {}, clock(message.atMs))),
    note(message), ...[acts(message)].filter(Boolean));
}

function showMessages(messages) {
  const list = $("messages");
  for (const [id, { element }] of shown) {
    if (!messages.some((message) => message.id === id)) {
      element.remove();
      shown.delete(id);
    }
  }
  // The newest comes first; whatever is there already stays as it is, with its focus.
  for (const message of [...messages].reverse()) {
    const text = JSON.stringify(message);
    const known = shown.get(message.id);
    if (known?.text === text) continue;
    const element = known?.element ?? el("li", { tabIndex: -1 });
    draw(message, element);
    if (!known) list.prepend(element);
    shown.set(message.id, { element, text });
  }
  $("empty").hidden = messages.length > 0;
}

// The panels

const chosen = () => document.querySelector("input[name=workflow]:checked").value.split(" ");

/** Draws a list anew only if it says something new. */
function redraw(place, items, make) {
  const text = JSON.stringify(items);
  if (place.dataset.text === text) return;
  place.dataset.text = text;
  place.replaceChildren(...items.flatMap(make));
}

function stepsOf(state) {
  const { asked, status, dueMs, nowMs } = state;
  if (!asked || !status) return chosen().map((channel) => ({ channel, state: null, next: null, leftMs: null }));
  const known = new Map(status.delivery.steps.map((step) => [step.channel, step]));
  const isOver = status.state !== "pending";
  const begun = asked.channels.filter((channel) => known.has(channel));
  const current = begun.at(-1);
  return asked.channels.map((channel, place) => {
    const step = known.get(channel);
    const next = asked.channels[place + 1];
    const waits = channel === current && next && !isOver && dueMs !== null;
    return {
      channel, state: step?.status ?? (isOver ? "stopped" : null), at: step?.at.slice(11, 19), error: step?.error,
      next: waits ? next : null, leftMs: waits ? Math.max(0, dueMs - nowMs) : null,
    };
  });
}

function showStep(step) {
  const left = step.leftMs === null ? [] : [
    el("p", { className: "hint" },
      `${UNMET[CONDITION[step.channel] ?? "verified"]}? Then ${THEN[step.next]} in ${duration(step.leftMs)}.`),
    el("progress", { max: STEP_MS, value: STEP_MS - step.leftMs, ariaLabel: `Time until ${THEN[step.next]}` }),
  ];
  const look = step.state === null || step.state === "stopped" ? "todo" : LOOKS[step.state] ?? "";
  const item = el("li", { className: `step ${look}` }, icon(step.channel), el("div", {},
    el("b", {}, APPS[step.channel], " ", el("small", {}, `by ${BY[step.channel]}`)),
    el("span", { className: "state" }, step.state === null ? "waits for its turn" : STATES[step.state]),
    step.state !== null && step.at ? el("small", {}, ` at ${step.at}`) : null,
    step.error ? el("p", { className: "hint" }, step.error) : null, ...left));
  item.dataset.channel = step.channel;
  item.dataset.state = step.state ?? "";
  return item;
}

function standing({ status, nowMs }) {
  if (!status) return "No code yet.";
  switch (status.state) {
    case "pending": return `The code is good for ${duration(Date.parse(status.expiryDate) - nowMs)} more.`;
    case "checked": return "The code was verified, once. No further message is sent.";
    case "locked": return "The code takes no more guesses.";
    case "expired": return "The code has expired.";
    default: return `The code is ${status.state}.`;
  }
}

function limitsOf(state) {
  const { limits, sends, subject, status } = state;
  const names = { phone: "the number", messenger: "the Messenger id", email: "the e-mail address" };
  const lines = (sends ?? [{ kind: "phone", count: 0, cooldownMs: 0 }]).map(({ kind, count, cooldownMs }) => ({
    name: `Messages to ${names[kind]}`, count, of: limits.sends,
    text: `${count} of ${limits.sends} in ${limits.sendsMinutes} min`,
    more: cooldownMs > 0 ? `cools down for ${duration(cooldownMs)}` : "",
  }));
  const wrong = status ? limits.attempts - status.attemptsLeft : 0;
  lines.push({ name: "Wrong codes for this code", count: wrong, of: limits.attempts, text: `${wrong} of ${limits.attempts}` });
  const failures = subject?.failures ?? 0;
  lines.push({
    name: "Failures in a row, all codes", count: failures % limits.lockAfter, of: limits.lockAfter,
    text: `${failures}, a lock after ${limits.lockAfter}`,
  });
  const lock = subject?.locked === "subject" ? `the number, for ${duration(subject.retryAfterSeconds * 1000)}`
    : subject?.locked ? "the number, until unlocked" : status?.state === "locked" ? "this code" : "none";
  lines.push({ name: "Lock", text: lock });
  return lines;
}

function showLimit(line) {
  const meter = line.of === undefined ? null : el("progress", {
    max: line.of, value: line.count, ariaLabel: line.name, className: line.count >= line.of ? "full" : "",
  });
  return el("div", {}, el("dt", {}, line.name), el("dd", {}, line.text, ...[meter, line.more && el("small", {}, line.more)].filter(Boolean)));
}

function showEvent(event) {
  const look = event.level === 1 ? "fail" : event.level === 2 ? "warn" : "";
  const words = [event.channel && APPS[event.channel], event.state, event.result, event.cause];
  return el("li", {}, el("time", {}, event.time.slice(11, 19)), el("b", {}, event.event),
    el("span", { className: look }, words.filter(Boolean).join(" · ")));
}

function showCarriers(carriers) {
  for (const { name, mode } of carriers) {
    const select = $(`carrier-${name}`);
    // What somebody is choosing at this moment is not taken out of their hands.
    if (select.dataset.told !== mode) select.value = mode;
    select.dataset.told = mode;
  }
}

function buildCarriers() {
  const choices = () => Object.entries(MODES).map(([value, text]) => el("option", { value }, text));
  $("carriers").append(...Object.entries(CARRIERS).map(([name, [title, what]]) =>
    el("label", {}, el("span", {}, title, el("small", {}, what)),
      el("select", { id: `carrier-${name}`, onchange: async ({ target }) => {
        // It may be over before anybody looks.
        target.dataset.told = target.value;
        await post("/phone/carrier", { name, mode: target.value });
        await look();
      } }, ...choices()))));
}

// Looking

function show(state) {
  $("clock").textContent = clock(state.nowMs).slice(0, 5);
  $("owner").textContent = `× ${state.speed}`;
  if (document.activeElement !== $("speed")) $("speed").value = String(state.speed);
  showMessages(state.messages);
  $("standing").textContent = standing(state);
  redraw($("steps"), stepsOf(state), showStep);
  redraw($("limits"), limitsOf(state), showLimit);
  $("call").hidden = !state.asked?.channels.includes("voice");
  $("unlock").hidden = !state.subject?.locked;
  redraw($("events"), state.events, showEvent);
  showCarriers(state.carriers);
}

async function look() {
  try {
    const response = await fetch("/phone/state", { cache: "no-store" });
    const state = await response.json();
    // A busy repository tells nothing this time.
    if (state.messages) show(state);
    $("gone").hidden = true;
  } catch {
    $("gone").hidden = false;
  }
}

async function watch() {
  await look();
  setTimeout(watch, POLL_MS);
}

buildCarriers();
onSubmit($("create"), $("create-button"), $("created"), "/phone/create", () => ({
  phoneNumber: $("number").value,
  channels: chosen(),
}), (reply) => {
  $("verified").replaceChildren();
  $("code").value = "";
  // On a narrow screen the phone is below.
  if (reply.result === "OTP_OK" && matchMedia("(max-width: 44rem)").matches) document.querySelector(".phone").scrollIntoView();
  return createWords(reply);
});
for (const [id, body] of [["again", {}], ["call", { channel: "voice" }]]) {
  $(id).addEventListener("click", async () => {
    const reply = await post("/phone/resend", body);
    say($("verified"), ...createWords(reply), reply.result);
    await look();
  });
}
onSubmit($("verify"), $("verify-button"), $("verified"), "/phone/verify", () => ({ code: $("code").value.trim() }), verifyWords);
$("speed").addEventListener("change", (event) => post("/phone/speed", { speed: Number(event.target.value) }));
$("skip").addEventListener("click", () => post("/phone/skip", {}).then(look));
$("unlock").addEventListener("click", () => post("/phone/unlock", {}).then(look));
$("reset").addEventListener("click", async () => {
  await post("/phone/reset", {});
  for (const place of ["created", "verified"]) $(place).replaceChildren();
  await look();
});
watch();
