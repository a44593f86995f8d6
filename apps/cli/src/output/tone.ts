/** What a word means for its reader; colour says it again, never alone. */
export type Tone = 'good' | 'bad' | 'careful' | 'quiet'

const SEQUENCES: Readonly<Record<Tone, string>> = {
  good: '\u001b[32m',
  bad: '\u001b[31m',
  careful: '\u001b[33m',
  quiet: '\u001b[2m',
}
const RESET = '\u001b[0m'

/** The text in its colour (ECMA-48), or as it is. */
export function coloured(text: string, tone: Tone | undefined, colours: boolean): string {
  return colours && tone !== undefined ? `${SEQUENCES[tone]}${text}${RESET}` : text
}
