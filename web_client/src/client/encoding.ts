/** The two encodings of activation values: nested JSON arrays, and little-endian float32 in base64. */
import type { ActivationsUpdate } from "../wire";
import { DecodeError } from "./errors";

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * The rows of an `activations/update`, each [count]; null becomes NaN.
 * Throws DecodeError if the shape is not [neurons, count].
 */
export function decodeValues(update: Pick<ActivationsUpdate, "neurons" | "count" | "values">): Float32Array[] {
  const { neurons, count, values } = update;
  if (Array.isArray(values)) {
    if (values.length !== neurons.length) throw new DecodeError("values", `${neurons.length} rows`);
    return values.map((row, i) => {
      if (!Array.isArray(row) || row.length !== count) throw new DecodeError(`values[${i}]`, `${count} numbers`);
      return Float32Array.from(row, (value) => value ?? NaN);
    });
  }
  const all = decodeFloats(values.data);
  if (values.shape[0] !== neurons.length || values.shape[1] !== count || all.length !== neurons.length * count) {
    throw new DecodeError("values", `float32 values of shape [${neurons.length}, ${count}]`);
  }
  return neurons.map((_, i) => all.subarray(i * count, (i + 1) * count));
}

/** Base64 of little-endian float32. */
export function decodeFloats(data: string): Float32Array {
  const bytes = decodeBase64(data);
  if (bytes.length % 4 !== 0) throw new DecodeError("values.data", "a whole number of float32");
  if (littleEndian) return new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

function decodeBase64(data: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as unknown as { fromBase64?: (data: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  try {
    if (native !== undefined) return native(data);
    const binary = atob(data);
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
    return bytes;
  } catch {
    throw new DecodeError("values.data", "base64");
  }
}
