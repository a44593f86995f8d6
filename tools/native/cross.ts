/** What it takes to build for another processor and to run what was built. */
import { PurlinError, run } from '@purlin/base'
import { repository } from '../repository.ts'

const INSTALL_TIMEOUT_MS = 20 * 60_000
const VERSION_TIMEOUT_MS = 60_000

/** The processors there are packages for, by Node's name, with what builds for each, and what runs
 *  its programs on another processor. The packages are Debian's of the set `cross`. */
export const processors = {
  x64: {
    triple: 'x86_64-unknown-linux-gnu',
    linker: { program: 'x86_64-linux-gnu-gcc', package: 'gcc-x86-64-linux-gnu' },
    emulator: { program: 'qemu-x86_64', package: 'qemu-user' },
    libraries: '/usr/x86_64-linux-gnu',
  },
  arm64: {
    triple: 'aarch64-unknown-linux-gnu',
    linker: { program: 'aarch64-linux-gnu-gcc', package: 'gcc-aarch64-linux-gnu' },
    emulator: { program: 'qemu-aarch64', package: 'qemu-user' },
    libraries: '/usr/aarch64-linux-gnu',
  },
} as const

export type Processor = keyof typeof processors

/** A program and the Debian package that brings it. */
interface CrossTool {
  readonly program: string
  readonly package: string
}

/** Makes ready to build for `processor`: Rust's library for it, by rustup, and the linker; answers
 *  what cargo must find in its environment. Nothing is needed for the machine's own processor.
 *  Errors: PUR_NATIVE_MISSING naming what is not there and how to get it, PUR_EXEC_FAILED. */
export async function crossBuild(processor: Processor): Promise<Readonly<Record<string, string>>> {
  if (processor === process.arch) return {}
  const { triple, linker } = processors[processor]
  await addTarget(triple)
  await requireTool(linker)
  return { [`${cargoPrefix(triple)}_LINKER`]: linker.program }
}

/** As {@link crossBuild}, and cargo runs what it built under QEMU.
 *  Errors: as there, and PUR_NATIVE_MISSING without QEMU. */
export async function crossRun(processor: Processor): Promise<Readonly<Record<string, string>>> {
  if (processor === process.arch) return {}
  const environment = await crossBuild(processor)
  const runner = (await emulate(processor)).join(' ')
  return { ...environment, [`${cargoPrefix(processors[processor].triple)}_RUNNER`]: runner }
}

/** The words in front of a program of `processor` that make it run here; none for the machine's own
 *  processor. Errors: PUR_NATIVE_MISSING without QEMU. */
export async function emulate(processor: Processor): Promise<readonly string[]> {
  if (processor === process.arch) return []
  const { emulator, libraries } = processors[processor]
  await requireTool(emulator)
  return [emulator.program, '-L', libraries]
}

async function addTarget(triple: string): Promise<void> {
  const options = { timeoutMs: INSTALL_TIMEOUT_MS, workingFolder: repository }
  try {
    await run('rustup', ['target', 'add', triple], options)
  } catch (cause) {
    if (!(cause instanceof PurlinError) || cause.code !== 'PUR_EXEC_NOT_FOUND') throw cause
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message:
        `cannot build for ${triple}: Rust’s library for it comes by rustup, which is not on the ` +
        'PATH; install rustup (https://rustup.rs) and call again',
      cause,
    })
  }
}

async function requireTool({ program, package: name }: CrossTool): Promise<void> {
  try {
    await run(program, ['--version'], { timeoutMs: VERSION_TIMEOUT_MS })
  } catch (cause) {
    throw new PurlinError('PUR_NATIVE_MISSING', {
      message: `${program} does not run here; install it by \`apt-get install ${name}\``,
      context: { program },
      cause,
    })
  }
}

function cargoPrefix(triple: string): string {
  return `CARGO_TARGET_${triple.toUpperCase().replaceAll('-', '_')}`
}
