import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { renderAnswer } from '../src/answer/render.ts'
import type { InstallerTarget } from '../src/answer/target.ts'
import { mirroredSpec, plainSpec, requestOf, serverSpec } from './samples.ts'

export const samples = [serverSpec, mirroredSpec, plainSpec]
const firmwares = ['bios', 'uefi'] as const

/** The answers of every sample that the target takes. */
export function answersOf(target: InstallerTarget): readonly string[] {
  return samples.flatMap((sample) =>
    firmwares.flatMap((mode) => {
      const rendered = renderAnswer(requestOf(target, sample, mode))
      return rendered.ok ? [rendered.value.answer.content] : []
    }),
  )
}

/** Gives `work` a folder that is gone afterwards. */
export async function inFolder<Value>(work: (folder: string) => Promise<Value>): Promise<Value> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-answers-'))
  try {
    return await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
