import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import test from 'ava'
import { crossRun, type Processor } from './cross.ts'

const foreign: Processor = process.arch === 'arm64' ? 'x64' : 'arm64'
const tools =
  foreign === 'arm64'
    ? (['aarch64-linux-gnu-gcc', 'qemu-aarch64'] as const)
    : (['x86_64-linux-gnu-gcc', 'qemu-x86_64'] as const)

/** A folder for the PATH with programs of these names that do nothing. */
async function folderWith(programs: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-cross-'))
  for (const program of programs) {
    await writeFile(join(folder, program), '#!/bin/sh\n')
    await chmod(join(folder, program), 0o755)
  }
  return folder
}

test.serial(
  'each tool for another processor that is missing is an error that names it',
  async (t) => {
    const before = process.env.PATH
    const folders: string[] = []
    t.teardown(async () => {
      process.env.PATH = before
      for (const folder of folders) await rm(folder, { recursive: true })
    })
    const need = async (programs: readonly string[]) => {
      const folder = await folderWith(programs)
      folders.push(folder)
      process.env.PATH = folder
      return await crossRun(foreign)
    }
    const [linker, emulator] = tools
    for (const [programs, sentence] of [
      [[], /by rustup, which is not on the PATH; install rustup/],
      [['rustup'], new RegExp(`^${linker} does not run here; install it by .apt-get install gcc-`)],
      [['rustup', linker], new RegExp(`^${emulator} does not run here; install it by .apt-get `)],
    ] as const) {
      const error = await t.throwsAsync(need(programs), { instanceOf: PurlinError })
      t.is(error?.code, 'PUR_NATIVE_MISSING')
      t.regex(error?.message ?? '', sentence)
    }
    const environment = await need(['rustup', ...tools])
    t.deepEqual(
      Object.values(environment).map((value) => value.split(' ')[0]),
      [...tools],
    )
  },
)

test('nothing is needed for the machine’s own processor', async (t) => {
  t.deepEqual(await crossRun(process.arch === 'arm64' ? 'arm64' : 'x64'), {})
})
