/** Downloads files, and copies pictures to the clipboard. */
import type { Picture } from "../exports/svg";

export function download(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // By then every browser has started to read it.
  setTimeout(() => { URL.revokeObjectURL(link.href); }, 60_000);
}

/** A name without characters that file systems refuse. */
export function fileName(parts: readonly string[], extension: string): string {
  return `${parts.map((part) => part.replace(/[^\p{L}\p{N}._-]+/gu, "-")).filter((part) => part !== "").join("-")}.${extension}`;
}

/** Pixels per unit of the picture; for print and high-density screens. */
const DENSITY = 3;
/** What every browser's canvas supports: pixels per side, and in total. */
const LONGEST_SIDE = 16_000;
const LARGEST_AREA = 100_000_000;

/** The picture in pixels. Throws RangeError if it is too large for a canvas. */
export async function rasterize({ svg, width, height }: Picture): Promise<Blob> {
  const density = Math.min(DENSITY, LONGEST_SIDE / width, LONGEST_SIDE / height, Math.sqrt(LARGEST_AREA / (width * height)));
  if (density < 1) throw new RangeError("the picture is too large for a canvas");
  const image = new Image();
  const source = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  try {
    image.src = source;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) => {
      canvas.toBlob((blob) => { if (blob === null) reject(new RangeError("the canvas gave no picture")); else resolve(blob); }, "image/png");
    });
  } finally {
    URL.revokeObjectURL(source);
  }
}

/** Copy content to the clipboard. It is passed as a promise because some browsers only allow this during the click. */
export async function copy(type: string, content: Promise<Blob>): Promise<void> {
  await navigator.clipboard.write([new ClipboardItem({ [type]: content })]);
}
