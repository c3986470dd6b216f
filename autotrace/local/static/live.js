// Fetches the page again while it is looked at, and changes what is different: nothing moves under a reader who selects
// text, types, or is inside the page with the keyboard.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  const bar = document.getElementById("live");
  if (!main || !bar) return;
  const [status, button] = [bar.querySelector("[role=status]"), bar.querySelector("button")];
  const every = 2000;
  let tag = null;
  let paused = false;

  const busy = () => {
    const focused = document.activeElement;
    const inside = focused && focused !== main && main.contains(focused) && focused.matches(":focus-visible");
    return document.hidden || paused || !getSelection().isCollapsed || inside;
  };
  // Only what changes is said, to a screen reader too.
  const say = (text) => {
    if (status.textContent !== text) status.textContent = text;
    bar.classList.toggle("on", text === "Live");
  };
  // What a reader has opened stays open.
  const attributes = (element) =>
    [...element.attributes].filter((one) => one.name !== "open").map((one) => `${one.name}=${one.value}`).join("\n");
  const change = (old, fresh) => {
    if (old.isEqualNode(fresh)) return;
    const alike =
      old.nodeType === Node.ELEMENT_NODE && old.nodeName === fresh.nodeName &&
      old.childNodes.length === fresh.childNodes.length && attributes(old) === attributes(fresh);
    if (!alike) return old.replaceWith(fresh);
    const nodes = [...fresh.childNodes];
    [...old.childNodes].forEach((node, index) => change(node, nodes[index]));
  };
  const update = async () => {
    try {
      if (busy()) return paused || say("Waiting");
      const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      say(answer.ok || answer.status === 304 ? "Live" : "Not updating");
      if (answer.status !== 200) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (!fresh || busy()) return;
      tag = answer.headers.get("ETag");
      if (fresh.childNodes.length !== main.childNodes.length) main.replaceChildren(...fresh.childNodes);
      else change(main, fresh);
    } catch (error) {
      // The viewer has ended: the page stays as it is.
      say("Not updating");
    } finally {
      setTimeout(update, every);
    }
  };
  button.addEventListener("click", () => {
    paused = !paused;
    button.textContent = paused ? "Resume" : "Pause";
    say(paused ? "Paused" : "Live");
  });
  say("Live");
  bar.hidden = false;
  setTimeout(update, every);
})();
