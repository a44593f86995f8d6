import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PurlinError } from '@purlin/base'
import test from 'ava'
import { compareVersions, findToolchain } from './toolchain.ts'

test('versions compare by number, part by part', (t) => {
  t.is(compareVersions('1.95.0', '1.95.0'), 0)
  t.true(compareVersions('1.9.0', '1.95.0') < 0)
  t.true(compareVersions('1.100.0-nightly', '1.95.0') > 0)
  t.true(compareVersions('2.0.0', '1.95.0') > 0)
})

/** A repository that wants Rust 1.95.0, on a machine whose PATH has `rustc` and `cargo` that
 *  print `release`. */
async function machine(release: string | undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-toolchain-'))
  await writeFile(join(folder, 'rust-toolchain.toml'), '[toolchain]\nchannel = "1.95.0"\n')
  const script = `#!/bin/sh\necho 'release: ${release}'\necho 'host: riscv64gc-unknown-linux-gnu'\n`
  for (const program of release === undefined ? [] : ['rustc', 'cargo']) {
    await writeFile(join(folder, program), script)
    await chmod(join(folder, program), 0o755)
  }
  return folder
}

test.serial(
  'the tool chain on the PATH is described, or the one sentence says how to get it',
  async (t) => {
    const before = process.env.PATH
    const folders: string[] = []
    const find = async (release: string | undefined) => {
      const folder = await machine(release)
      folders.push(folder)
      process.env.PATH = folder
      return findToolchain(folder)
    }
    t.teardown(async () => {
      process.env.PATH = before
      for (const folder of folders) await rm(folder, { recursive: true })
    })
    t.is((await find('1.95.1')).triple, 'riscv64gc-unknown-linux-gnu')
    for (const [release, sentence] of [
      [undefined, /^Rust 1\.95\.0 is needed: rustc is not on the PATH; install it by `rustup /],
      ['1.63.0', /^Rust 1\.95\.0 is needed: rustc here is 1\.63\.0; install it by `rustup /],
    ] as const) {
      const error = await t.throwsAsync(find(release), {
        instanceOf: PurlinError,
        message: sentence,
      })
      t.is(error?.code, 'PUR_NATIVE_MISSING')
    }
  },
)
