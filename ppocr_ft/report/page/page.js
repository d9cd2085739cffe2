// The language switch, and pictures that open large.
(() => {
  "use strict";
  const root = document.documentElement;
  const buttons = document.querySelectorAll("button[data-language]");

  function speak(language) {
    root.dataset.lang = language;
    root.lang = language === "zh" ? "zh-CN" : "en";
    for (const node of document.querySelectorAll("[data-words]")) {
      node.setAttribute(node.dataset.words, node.dataset[language]);
    }
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.language === language));
    }
    document.title = root.dataset[language === "zh" ? "titleZh" : "titleEn"];
    document.dispatchEvent(new Event("languagechange-of-page"));
  }

  for (const button of buttons) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  const wanted = root.dataset.wanted;
  const own = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  speak(wanted === "auto" ? own : wanted);

  const dialog = document.getElementById("large");
  function open(image) {
    const large = new Image();
    large.src = image.src;
    large.alt = image.alt;
    dialog.replaceChildren(large);
    dialog.showModal();
  }
  for (const image of document.querySelectorAll("figure img")) {
    image.tabIndex = 0;
    image.setAttribute("role", "button");
    image.addEventListener("click", () => open(image));
    image.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        open(image);
      }
    });
  }
  dialog.addEventListener("click", () => dialog.close());
})();
