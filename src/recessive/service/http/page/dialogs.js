/** Questions that stop everything else: the key, and whether to delete. The browser keeps the focus inside. */

function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }),
  );
}

/** Wire the buttons and forms of all dialogs: what answers yes, and what answers no. */
export function wire() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.close("yes");
    });
    dialog.querySelector("[data-no]").addEventListener("click", () => dialog.close(""));
  }
}

/** The key that the owner types; null when there is none. `refused`: another one was not accepted. */
export async function askKey(refused) {
  const dialog = document.getElementById("ask-key");
  const field = document.getElementById("key");
  document.getElementById("key-refused").hidden = !refused;
  field.value = "";
  const given = await ask(dialog);
  const value = field.value.trim();
  field.value = "";
  return given && value ? value : null;
}

export function confirm(question, consequence) {
  const dialog = document.getElementById("confirm");
  document.getElementById("question").textContent = question;
  document.getElementById("consequence").textContent = consequence;
  return ask(dialog);
}
