// Loads the page anew when the server has another one, with all as the reader had it.
(() => {
  "use strict";
  const KEPT = "ppocr_ft.kept", PAUSE_MS = 2000;
  const root = document.documentElement;
  const live = document.getElementById("live");
  const folds = () => [...document.querySelectorAll("details")];
  const nameOf = (fold) => fold.querySelector("summary").textContent.replace(/\d+/g, "");

  function keep() {
    const open = Object.fromEntries(folds().map((fold) => [nameOf(fold), fold.open]));
    const kept = { top: scrollY, language: root.dataset.lang, open };
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
  }
  function restore() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
    if (!kept) return;
    document.querySelector(`button[data-language="${kept.language}"]`)?.click();
    for (const fold of folds()) fold.open = kept.open[nameOf(fold)] ?? fold.open;
    scrollTo({ top: kept.top, behavior: "instant" });
  }
  async function ask() {
    try {
      const answer = await fetch("/state");
      if (!answer.ok) throw new Error(answer.status);
      const { version } = await answer.json();
      live.classList.remove("alone");
      if (version !== Number(live.dataset.version) && !document.querySelector("dialog[open]")) {
        keep();
        location.reload();
        return;
      }
    } catch {
      live.classList.add("alone");
    }
    setTimeout(ask, PAUSE_MS);
  }
  restore();
  if ("running" in live.dataset) setTimeout(ask, PAUSE_MS);
})();
