import assert from 'node:assert/strict'

/** The text, if it is one line: no control character, line separator or lone surrogate. What is not
 *  has passed no check of ours, so it is a fault of the program and stops here. */
export function oneLine(text: string): string {
  assert.ok(
    /^[^\p{Cc}\p{Cs}\u2028\u2029]*$/u.test(text),
    'a value with control characters reached a renderer',
  )
  return text
}
