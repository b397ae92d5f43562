/** Photos come in: chosen, taken, dropped anywhere (folders too), or pasted. */

function entryFiles(entry) {
  if (entry.isFile)
    return new Promise((resolve) =>
      entry.file(
        (file) => resolve([file]),
        () => resolve([]),
      ),
    );
  const reader = entry.createReader();
  return new Promise((resolve) => {
    const found = [];
    const next = () =>
      reader.readEntries(
        async (entries) => {
          if (entries.length === 0) return resolve((await Promise.all(found.map(entryFiles))).flat());
          found.push(...entries.filter(({ name }) => !name.startsWith(".")));
          next(); // a hundred at a time
        },
        () => resolve([]),
      );
    next();
  });
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (entries.some((entry) => entry.isDirectory)) return (await Promise.all(entries.map(entryFiles))).flat();
  return [...transfer.files];
}

/** Call `add(files)` whenever photos come. */
export function listen(add) {
  for (const id of ["choose", "take"]) {
    const input = document.getElementById(id);
    input.addEventListener("change", () => {
      add([...input.files]);
      input.value = ""; // so that the same photo can be chosen again
    });
  }

  const veil = document.getElementById("veil");
  let inside = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (yes) => {
    if (!yes) inside = 0;
    veil.hidden = !yes;
  };
  window.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    inside += 1;
    show(true);
  });
  window.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  window.addEventListener("dragleave", () => {
    inside -= 1;
    if (inside <= 0) show(false);
  });
  window.addEventListener("drop", async (event) => {
    show(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    add(await dropped(event.dataTransfer));
  });
  window.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) add([...event.clipboardData.files]);
  });
}
