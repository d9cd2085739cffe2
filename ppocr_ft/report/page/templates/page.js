// The language switch, and pictures that open large.
(() => {
  "use strict";
  const root = document.documentElement;
  const buttons = document.querySelectorAll("button[data-language]");

  function speak(language) {
    root.dataset.lang = language;
    root.lang = language === "zh" ? "zh-CN" : "en";
    for (const image of document.querySelectorAll("img[data-en]")) {
      image.alt = image.dataset[language];
    }
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.language === language));
    }
    document.title = root.dataset[language === "zh" ? "titleZh" : "titleEn"];
  }

  for (const button of buttons) {
    button.addEventListener("click", () => speak(button.dataset.language));
  }
  const wanted = root.dataset.wanted;
  const preferred = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
  speak(wanted === "auto" ? preferred : wanted);

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

// A tap on a chart shows its values until the next tap: Bokeh's own tooltip follows a mouse only.
(() => {
  "use strict";
  let pointed = null;
  const send = (kind, { clientX, clientY }) =>
    pointed?.dispatchEvent(new PointerEvent(kind, { clientX, clientY, isPrimary: true, view: window }));
  document.addEventListener("click", (event) => {
    send("pointerout", event);
    pointed = event.target.closest(".plot") ? event.composedPath()[0] : null;
    send("pointermove", event);
  });
})();
