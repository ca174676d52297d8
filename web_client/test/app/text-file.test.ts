import { describe, expect, it } from "vitest";
import { decodeText, FileError, readTextFile } from "../../src/app/text-file";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

describe("text files", () => {
  it("are read in the encodings that texts come in", () => {
    const text = "Ça va — 漢字 🙂\r\n\tend\f";
    expect(decodeText(utf8(text))).toBe(text);
    expect(decodeText(utf8(`\ufeff${text}`))).toBe(text);
    const utf16 = Uint8Array.from(Buffer.from(`\ufeff${text}`, "utf16le"));
    expect(decodeText(utf16)).toBe(text);
    expect(decodeText(utf16.map((_, i) => utf16[i ^ 1] as number))).toBe(text);
    expect(decodeText(Uint8Array.of(0xc7, 0x61, 0x20, 0x76, 0x61))).toBe("Ça va"); // Windows-1252
    expect(decodeText(new Uint8Array(0))).toBe("");
  });

  it("are not pictures, programs or archives", () => {
    const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0x0d, 0x49, 0x48);
    const gzip = Uint8Array.of(0x1f, 0x8b, 0x08, 0x08, 0x9e, 0x81, 0x03, 0xff);
    const elf = Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0);
    const halfPair = Uint8Array.of(0xff, 0xfe, 0x00, 0xd8, 0x41, 0x00);
    expect([png, gzip, elf, halfPair, utf8("a\u0000b")].map(decodeText)).toEqual([null, null, null, null, null]);
  });

  it("are refused with a sentence when they are no text or too long", async () => {
    await expect(readTextFile(new File(["a🙂b"], "a.txt"), 3)).resolves.toBe("a🙂b");
    await expect(readTextFile(new File(["a\r\nb\r\n"], "a.txt"), 4)).resolves.toBe("a\nb\n");
    await expect(readTextFile(new File(["a🙂bc"], "a.txt"), 3)).rejects.toThrow(new FileError("a.txt has 4 characters; this server accepts at most 3 characters."));
    await expect(readTextFile(new File(["x".repeat(4001)], "big.txt"), 1000)).rejects.toThrow("big.txt has 4,001 bytes; this server accepts at most 1,000 characters.");
    await expect(readTextFile(new File([Uint8Array.of(0, 1, 2)], "p.bin"), 99)).rejects.toThrow("p.bin is not a text file.");
  });
});
