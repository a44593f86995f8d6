import test from 'ava'
import { renderAnswer } from '../src/answer/render.ts'
import type { InstallerTarget } from '../src/answer/target.ts'
import { requestOf } from './samples.ts'

/** The answer file that a sample gives for the target on the sample chassis. */
export function answerOf(target: InstallerTarget, sample: unknown, mode: 'bios' | 'uefi'): string {
  const rendered = renderAnswer(requestOf(target, sample, mode))
  if (!rendered.ok) throw new Error(JSON.stringify(rendered.error))
  return rendered.value.answer.content
}

/** Holds the answer against the golden one beside the test. */
export const golden = test.macro({
  exec(t, target: InstallerTarget, sample: unknown, mode: 'bios' | 'uefi') {
    t.snapshot(answerOf(target, sample, mode))
  },
  title: (samples = '', target, _sample, mode) =>
    `${target} on ${mode}, ${samples}: the answer is the golden one`,
})
