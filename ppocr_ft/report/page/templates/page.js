// The language switch, pictures that open large, and lines to copy.
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
    for (const button of document.querySelectorAll("#large button")) {
      button.ariaLabel = button.dataset[language];
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

  // Pictures that open large; the keys, buttons and swipes lead through those of one gallery.
  const dialog = document.getElementById("large");
  const large = dialog.querySelector("img");
  let shown = null;
  function open(image) {
    shown = image;
    large.src = image.src;
    large.alt = image.alt;
    dialog.querySelector("figcaption").textContent = [image.alt, image.dataset.note].filter(Boolean).join(" · ");
    if (!dialog.open) dialog.showModal();
  }
  function turn(by) {
    const gallery = [...shown.closest("[data-gallery]").querySelectorAll("img")];
    const next = gallery[gallery.indexOf(shown) + by];
    if (next) open(next);
  }
  for (const image of document.querySelectorAll("[data-gallery] img")) {
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
  dialog.addEventListener("close", () => shown.focus());
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  let touched = null;
  dialog.addEventListener("touchstart", (event) => {
    touched = event.touches.length === 1 ? event.touches[0].clientX : null;
  });
  dialog.addEventListener("touchend", (event) => {
    const moved = touched === null ? 0 : event.changedTouches[0].clientX - touched;
    if (Math.abs(moved) > 50) turn(moved < 0 ? 1 : -1);
  });
  dialog.addEventListener("click", ({ target }) => {
    if (target.className === "previous") turn(-1);
    else if (target.className === "following") turn(1);
    else dialog.close();
  });

  for (const button of document.querySelectorAll("button.copy")) {
    button.addEventListener("click", async () => {
      const line = button.previousElementSibling;
      getSelection().selectAllChildren(line);
      try {
        await navigator.clipboard.writeText(line.textContent);
      } catch {
        document.execCommand("copy"); // a page from a file may not use the clipboard
      }
      button.classList.add("copied");
      setTimeout(() => button.classList.remove("copied"), 2000);
    });
  }
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
