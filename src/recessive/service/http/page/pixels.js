/** Photos as pixels: decoded small, one at a time, and given back as soon as they are drawn. */

let last = Promise.resolve();

/** One decoding after another: fifty at once would each hold a whole photo in memory. */
function inTurn(work) {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}

/**
 * An ImageBitmap with at most `longest` pixels a side, the right way up; null for what the browser cannot show.
 * Whoever asks closes it.
 */
export function decode(blob, longest) {
  return inTurn(async () => {
    let whole = null;
    try {
      whole = await createImageBitmap(blob);
      const share = longest / Math.max(whole.width, whole.height);
      if (share >= 1) return whole;
      const size = { resizeWidth: Math.max(1, Math.round(share * whole.width)), resizeQuality: "high" };
      const small = await createImageBitmap(whole, {
        ...size,
        resizeHeight: Math.max(1, Math.round(share * whole.height)),
      });
      whole.close();
      return small;
    } catch {
      whole?.close();
      return null;
    }
  });
}

/** An ImageBitmap of the whole photo; null for what the browser cannot show. */
export function decodeWhole(blob) {
  return createImageBitmap(blob).catch(() => null);
}

export function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** Fill a canvas with a part (left, top, width, height as fractions) of a bitmap, the middle of what does not fit. */
export function fill(canvas, bitmap, [left, top, width, height] = [0, 0, 1, 1], mirrored = false) {
  const part = { x: left * bitmap.width, y: top * bitmap.height, w: width * bitmap.width, h: height * bitmap.height };
  const scale = Math.min(part.w / canvas.width, part.h / canvas.height);
  const [w, h] = [scale * canvas.width, scale * canvas.height];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  if (mirrored) context.setTransform(-1, 0, 0, 1, canvas.width, 0);
  context.drawImage(
    bitmap,
    part.x + (part.w - w) / 2,
    part.y + (part.h - h) / 2,
    w,
    h,
    0,
    0,
    canvas.width,
    canvas.height,
  );
}

/** A square picture of a photo; null for what the browser cannot show. */
export async function thumbnail(blob, pixels) {
  const bitmap = await decode(blob, 2 * pixels);
  if (!bitmap) return null;
  const canvas = canvasOf(pixels, pixels);
  fill(canvas, bitmap);
  bitmap.close();
  return canvas;
}
