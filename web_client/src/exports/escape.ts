/** Escapes any text for a document. */

/** Text as text between tags and in quoted attributes; control characters, which HTML may not hold, as pictures of them. */
export function escapeMarkup(text: string): string {
  return visibleControls(text)
    .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&#39;");
}

/** Control characters other than tab and line feed as pictures (U+2400 …), what no document may hold as U+FFFD. */
export function visibleControls(text: string): string {
  return text
    // eslint-disable-next-line no-control-regex -- control characters are what is replaced here
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, (control) => (
      control === "\u007f" ? "\u2421" : String.fromCodePoint(0x2400 + (control.codePointAt(0) as number))
    ))
    .replace(/[\u0080-\u009f]|\p{Surrogate}|\p{Noncharacter_Code_Point}/gu, "\ufffd");
}
