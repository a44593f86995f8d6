import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PurlinError, run } from '@purlin/base'
import { repository } from '../repository.ts'
import { labImage } from './image.ts'

/** What makes a boot without a real processor's help short. */
const COMMAND_LINE =
  'console=ttyS0 quiet tsc=reliable no_timer_check mitigations=off nokaslr random.trust_cpu=on ' +
  'audit=0 8250.nr_uarts=1 cryptomgr.notests nowatchdog panic=-1'

/** Loaded before the job: what the driver looks for, or what nothing loads by itself. */
const MODULES = [
  ...['openvswitch', 'vport-vxlan', 'vport-geneve', 'vport-gre', 'bonding', '8021q'],
  ...['br_netfilter', 'nf_conntrack'],
]

const WARM_TIMEOUT_MS = 60_000

export interface LabJob {
  /** Program and arguments, as this machine has them; they run as root. */
  readonly command: readonly string[]
  /** The job's working folder, in the repository. */
  readonly folder: string
  /** Modules of the repository whose translation the guest is given: to translate and compile
   *  one takes it tens of seconds. */
  readonly warm?: readonly string[]
  /** From the guest's start to its end. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

export interface LabOutcome {
  readonly exitCode: number
  readonly output: string
}

/** Runs a job in a guest with Debian's kernel on emulated processors. The guest's root file system
 *  is this machine's, read only below a layer of memory, so that it has the same programs and the
 *  same repository; the network, the kernel and its modules are its own, and nothing is left.
 *  Its clock counts instructions while it works, so that deadlines hold however slow it is.
 *  Errors: those of `labImage`, PUR_EXEC_TIMEOUT, and PUR_EXEC_FAILED with the end of the guest's
 *  console when the job did not end. */
export async function runInLab(job: LabJob): Promise<LabOutcome> {
  const image = await labImage(join(repository, '.purlin/images/kernel-lab'))
  const control = await mkdtemp('/tmp/purlin-lab-')
  try {
    await writeWords(join(control, 'job'), [`--chdir=${job.folder}`, ...job.command])
    await writeFile(join(control, 'repository'), repository)
    await writeFile(join(control, 'modules'), `${MODULES.join('\n')}\n`)
    const warm = importing(job.warm ?? [])
    await writeWords(join(control, 'warm'), warm)
    await compile(warm, join(control, 'cache'))
    const shares = { root: '/', repository, modules: image.modules }
    const devices = [
      ...Object.entries(shares).flatMap(([tag, path]) => share(tag, path, ',readonly=on')),
      ...share('control', control, ''),
      ...['-serial', `file:${join(control, 'console')}`, '-device', 'virtio-rng-pci'],
    ]
    const boot = ['-kernel', image.kernel, '-initrd', image.initrd, '-append', COMMAND_LINE]
    const machine = [
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
      ...['-machine', 'q35,smm=off', '-accel', 'tcg,thread=single,tb-size=512', '-cpu', 'max'],
      ...['-smp', '1', '-m', '3G', '-icount', 'shift=0,sleep=on', '-rtc', 'clock=vm'],
    ]
    // The guest ends with this process, however that ends.
    const qemu = ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...machine, ...boot, ...devices]
    const { timeoutMs, signal } = job
    const ended = await run('setpriv', qemu, { timeoutMs, ...(signal && { signal }) }).catch(
      (thrown: unknown) => thrown,
    )
    const said = async (name: string): Promise<string> =>
      await readFile(join(control, name), 'utf8').catch(() => '')
    const [exitCode, output] = [Number.parseInt(await said('exit-code'), 10), await said('output')]
    if (Number.isInteger(exitCode)) return { exitCode, output }
    throw new PurlinError('PUR_EXEC_FAILED', {
      message: `the job in the kernel lab did not end: ${
        ended instanceof Error ? ended.message : 'the guest went down'
      }: ${(await said('console')).slice(-2_000)}\n${output.slice(-8_000)}`,
      cause: ended,
    })
  } finally {
    await rm(control, { recursive: true, force: true })
  }
}

/** A folder of this machine for the guest, by 9p. */
function share(tag: string, path: string, rest: string): readonly string[] {
  const backend = `local,id=${tag},path=${path},security_model=none,multidevs=remap${rest}`
  return ['-fsdev', backend, '-device', `virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`]
}

async function writeWords(file: string, words: readonly string[]): Promise<void> {
  await writeFile(file, words.map((word) => `${word}\0`).join(''))
}

/** The command that imports modules of the repository and does nothing else. */
function importing(modules: readonly string[]): readonly [string, ...string[]] {
  const urls = modules.map((module) => pathToFileURL(join(repository, module)).href)
  const text = urls.map((url) => `await import(${JSON.stringify(url)})`).join('\n')
  const options = ['--conditions=purlin-source', '--input-type=module', '--eval', text]
  return [process.execPath, ...options]
}

/** Has this machine translate and compile what a command imports into a folder, in which the
 *  guest's Node.js, which is the same, finds it. */
async function compile(command: readonly [string, ...string[]], folder: string): Promise<void> {
  await mkdir(folder)
  const [program, ...args] = command
  const environment = { NODE_COMPILE_CACHE: folder }
  await run(program, args, { timeoutMs: WARM_TIMEOUT_MS, environment })
}
