/** Modal dialogs: the question for the API key, and the confirmation before something is deleted. */

import { byId } from "./elements.js";

/**
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<boolean>} whether the answer was yes
 */
function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** Make submitting a dialog's form answer yes, and its button `data-no` answer no. */
export function initDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("form")?.addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.close("yes");
    });
    dialog.querySelector("[data-no]")?.addEventListener("click", () => dialog.close(""));
  }
}

/**
 * The API key that the owner enters; null when there is none.
 * @param {boolean} refused the service did not accept the last key
 */
export async function askForKey(refused) {
  const field = byId("key", HTMLInputElement);
  byId("key-refused").hidden = !refused;
  field.value = "";
  const given = await ask(byId("ask-key", HTMLDialogElement));
  const value = field.value.trim();
  field.value = "";
  return given && value ? value : null;
}

/**
 * @param {string} question
 * @param {string} consequence
 */
export function confirm(question, consequence) {
  byId("question").textContent = question;
  byId("consequence").textContent = consequence;
  return ask(byId("confirm", HTMLDialogElement));
}
