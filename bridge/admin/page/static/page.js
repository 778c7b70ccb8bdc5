// Makes a page live: what the server tells of is shown as it happens, and everything else is fetched anew from the
// same address and put in place of what is there. Without this script the pages say the same, at the time of loading.
"use strict";

const PAUSE = 1000; // milliseconds that at least lie between two looks at the whole page
const ROWS = 200;
const AGAIN = 2000, SELDOM = 30000; // milliseconds until a stream that was refused is asked for again: at first, at most
const started = Date.now();
const skew = Number(document.body.dataset.now) * 1000 - started; // how far the server's clock is ahead of ours
const live = document.getElementById("live");

function span(seconds) {
  const whole = Math.max(0, seconds);
  if (whole < 120) return `${Math.floor(whole)} s`;
  if (whole < 7200) return `${Math.floor(whole / 60)} min`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h`;
  return `${Math.floor(whole / 86400)} d`;
}

function tick() {
  const now = (Date.now() + skew) / 1000;
  for (const time of document.querySelectorAll("time[data-at]")) {
    const text = span(now - Number(time.dataset.at));
    if (time.textContent !== text) time.textContent = text;
  }
}

function say(state, text) {
  live.dataset.state = state;
  if (live.textContent !== text) live.firstElementChild.textContent = text;
}

function offerCopies(where) {
  for (const command of where.querySelectorAll(".command")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.setAttribute("aria-label", `Copy: ${command.textContent}`);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(command.querySelector("code").textContent);
        button.textContent = "copied";
      } catch {
        button.textContent = "select it";
      }
    });
    command.append(button);
  }
}

// --- the whole page, anew

const shown = new Map(); // what the server said of each region

function place(region, fresh) {
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const again = focused && ["id", "href", "aria-label"].map((name) => [name, focused.getAttribute(name)]).find((pair) => pair[1]);
  const scrolled = [...region.querySelectorAll(".scroll")].concat(region).map((box) => box.scrollLeft);
  region.replaceChildren(...fresh.childNodes);
  offerCopies(region);
  [...region.querySelectorAll(".scroll")].concat(region).forEach((box, index) => { box.scrollLeft = scrolled[index] || 0; });
  if (again) region.querySelector(`[${again[0]}="${CSS.escape(again[1])}"]`)?.focus({ preventScroll: true });
}

// --- what is read aloud: what has come to look at, and nothing that only goes on

let heard = null; // null until the page is looked at for the first time: what stood there then was read with the page

function announce() {
  const place = document.getElementById("announced");
  if (!place) return;
  const now = [...document.querySelectorAll("#findings [data-aloud]")].map((each) => each.textContent);
  if (heard !== null && now.join("\n") !== heard.join("\n")) {
    const fresh = now.filter((text) => !heard.includes(text));
    place.textContent = fresh.join(" ") || (now.length ? `${now.length} left to look at.` : "Nothing needs a person.");
  }
  heard = now;
}

let fetching = false, wanted = false, refused = false, missed = false, last = 0, timer = 0;

function renew(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const region of document.querySelectorAll(missed ? "[data-live], #events[data-stream]" : "[data-live]")) {
    const fresh = page.getElementById(region.id);
    if (fresh && shown.get(region.id) !== fresh.innerHTML) {
      shown.set(region.id, fresh.innerHTML);
      place(region, fresh);
    }
  }
  missed = false;
  announce();
  tick();
}

function sayHow() { // a service may have ended, or a zone that is chosen: what is shown of it stays as it was
  if (refused) say("lost", "old: the bridge no longer has what is shown here; load it again");
  else say("live", "live");
}

async function look() {
  if (fetching || document.hidden) { wanted = true; return; } // what is hidden is looked at when it is shown
  fetching = true;
  wanted = false;
  const began = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.ok) renew(await answer.text());
    if (refused === answer.ok) {
      refused = !answer.ok;
      if (stream?.readyState === EventSource.OPEN) sayHow();
    }
  } catch { /* the stream of events says that the bridge is away */ }
  last = Date.now();
  fetching = false;
  if (wanted) soon(Math.max(PAUSE, 4 * (last - began))); // a bridge that takes long is asked less often
}

function soon(pause = PAUSE) {
  wanted = true;
  clearTimeout(timer);
  timer = setTimeout(look, Math.max(0, last + pause - Date.now()));
}

// --- events, one by one

function addEvent(event) {
  const body = document.querySelector("#events [data-events]");
  const blank = document.getElementById("event-row");
  if (!body || !blank) return;
  const row = blank.content.cloneNode(true).firstElementChild;
  const [when, what, endpoint, service, source, why] = row.children;
  const time = when.firstElementChild;
  time.dataset.at = event.at;
  time.dateTime = time.title = new Date(event.at * 1000).toISOString();
  time.textContent = span((Date.now() + skew) / 1000 - event.at);
  what.firstElementChild.textContent = event.action.replaceAll("_", " ");
  what.firstElementChild.classList.add(event.action);
  endpoint.textContent = event.endpoint;
  if (event.service) {
    service.firstElementChild.href = `/services/${event.service.split("/").map(encodeURIComponent).join("/")}`;
    service.firstElementChild.textContent = event.service;
  } else {
    service.replaceChildren();
  }
  source.textContent = event.source;
  why.textContent = event.why;
  body.querySelector("[data-nothing]")?.remove();
  const most = body.closest("#all-events") ? ROWS : 8;
  body.prepend(row);
  while (body.rows.length > most) body.rows[body.rows.length - 1].remove();
}

let stream = null, again = AGAIN, returning = 0;

function follow() {
  const events = document.getElementById("events");
  const query = new URLSearchParams(events ? events.dataset.stream || "" : "");
  for (const [name, value] of [...query]) if (!value) query.delete(name);
  stream = new EventSource(`/api/v1/events?${query}`);
  const listed = events && "stream" in events.dataset; // a page of older events stays as it is
  stream.addEventListener("open", () => { again = AGAIN; sayHow(); soon(0); });
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) { say("lost", "the bridge does not answer"); return; }
    // It was refused, as when too many follow already: of these the browser itself does not ask again.
    say("lost", "not live: the bridge has no stream for this page now");
    returning = setTimeout(resume, again);
    again = Math.min(2 * again, SELDOM);
  });
  stream.addEventListener("message", (message) => { if (listed) addEvent(JSON.parse(message.data)); });
  stream.addEventListener("state", () => soon());
}

function unfollow() {
  clearTimeout(returning);
  stream?.close();
  say("still", "not followed while it is hidden");
}

function resume() {
  unfollow();
  missed = true;
  follow();
}

// --- the filters, as they are typed

function refine(form) {
  let typing = 0;
  const apply = () => {
    const query = new URLSearchParams(new FormData(form));
    for (const [name, value] of [...query]) if (!value.trim()) query.delete(name);
    history.replaceState(null, "", `${form.getAttribute("action")}${query.size ? `?${query}` : ""}`);
    last = 0;
    soon(0);
  };
  if (!document.querySelector("[data-live]")) return; // the list of events is loaded anew, for its stream
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(apply, 200); });
  form.addEventListener("submit", (event) => { event.preventDefault(); apply(); });
}

offerCopies(document);
announce();
document.querySelectorAll("form[data-filter]").forEach(refine);
for (const region of document.querySelectorAll("[data-live]")) shown.set(region.id, "");
// A browser has six connections to a server, which hidden tabs must not take from the one that is looked at.
document.addEventListener("visibilitychange", () => (document.hidden ? unfollow() : resume()));
addEventListener("pagehide", unfollow);
addEventListener("pageshow", (event) => { if (event.persisted) resume(); });
setInterval(tick, 1000);
setInterval(() => soon(), 15000);
follow();
