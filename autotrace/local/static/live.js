// Fetches the page again while it is looked at, and replaces what changed: nothing moves under a reader who selects
// text or types.
"use strict";
(() => {
  const main = document.querySelector("main[data-live]");
  if (!main) return;
  const every = 2000;
  let tag = null;
  const busy = () =>
    document.hidden || !getSelection().isCollapsed || (document.activeElement && document.activeElement.matches("input, select, textarea"));
  const update = async () => {
    try {
      if (busy()) return;
      const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status !== 200) return;
      tag = answer.headers.get("ETag");
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (!fresh || busy()) return;
      const focused = document.activeElement && document.activeElement.id;
      main.replaceChildren(...fresh.childNodes);
      if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
    } catch (error) {
      // The viewer has ended: the page stays as it is.
    } finally {
      setTimeout(update, every);
    }
  };
  setTimeout(update, every);
})();
