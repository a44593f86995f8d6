/** Longest text that is taken over from a BMC, in characters. */
export const TEXT_CHARACTERS_MAX = 256

/** A text of a BMC as it may be shown: one line, no control characters, no signs that turn the
 *  direction of writing, of bounded length. */
export function foreignText(text: string): string {
  return text
    .slice(0, 4 * TEXT_CHARACTERS_MAX)
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim()
    .slice(0, TEXT_CHARACTERS_MAX)
    .toWellFormed()
}

/** A decimal number as BMCs write it; undefined for anything else, `na` included. */
export function foreignNumber(text: string): number | undefined {
  return /^\s*-?\d{1,15}(\.\d{1,9})?\s*$/.test(text) ? Number(text) : undefined
}

/** The lines of a text that may be long: at most `linesMax`, without their ends. */
export function foreignLines(text: string, linesMax: number): readonly string[] {
  return text.split(/\r?\n/, linesMax)
}
