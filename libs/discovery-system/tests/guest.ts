import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

export const FIRST_MAC = '52:54:00:aa:00:01'
export const SECOND_MAC = '52:54:00:aa:00:02'
export const WWN = '0x5000c500a1b2c3d4'

export interface GuestOptions {
  /** What its battery-backed clock says when it starts, UTC; the host's time where absent. */
  readonly clock?: string
  /** Further words of its kernel's command line. */
  readonly words?: readonly string[]
}

/** A machine of QEMU with two disks (virtio and SATA) and two NICs, started by kernel and initial
 *  file system directly. It has one processor: two of them under emulation make the kernel's own
 *  patching fail now and then. */
export class Guest {
  readonly #process: ChildProcess
  readonly #console: string

  constructor(
    system: string,
    folder: string,
    nodeUrl: string,
    name: string,
    { clock, words = [] }: GuestOptions = {},
  ) {
    this.#console = join(folder, `${name}.console`)
    const mac = FIRST_MAC.replaceAll(':', '-')
    const own = ['console=ttyS0,115200', 'quiet', `purlin.url=${nodeUrl}`, `BOOTIF=01-${mac}`]
    const line = [...own, ...words].join(' ')
    const disk = (id: string) => `file=${join(folder, id)}.img,if=none,id=${id},format=raw`
    const args = [
      ...['-accel', 'tcg,thread=single', '-m', '768', '-smp', '1', '-nodefaults', '-no-reboot'],
      ...['-display', 'none', '-serial', `file:${this.#console}`],
      ...[
        '-smbios',
        'type=1,manufacturer=ACME,serial=SERIAL-1,uuid=12345678-aaaa-bbbb-cccc-0a0b0c0d0e0f',
      ],
      ...['-kernel', join(system, 'vmlinuz'), '-initrd', join(system, 'initrd.img')],
      ...['-append', line],
      ...(clock === undefined ? [] : ['-rtc', `base=${clock}`]),
      ...['-netdev', 'user,id=first', '-netdev', 'user,id=second'],
      ...['-device', `virtio-net-pci,netdev=first,mac=${FIRST_MAC},romfile=`],
      ...['-device', `e1000,netdev=second,mac=${SECOND_MAC},romfile=`],
      ...['-drive', `${disk('one')},discard=unmap`, '-drive', disk('two')],
      ...['-device', 'virtio-blk-pci,drive=one,serial=DISK-ONE'],
      ...['-device', 'ahci,id=ahci'],
      ...['-device', `ide-hd,drive=two,bus=ahci.0,serial=DISK-TWO,wwn=${WWN}`],
    ]
    this.#process = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'ignore', 'inherit'] })
    process.once('exit', () => this.#process.kill('SIGKILL'))
  }

  /** Until the machine restarts or is switched off. */
  async ended(signal: AbortSignal): Promise<void> {
    if (this.#process.exitCode === null) await once(this.#process, 'exit', { signal })
  }

  /** Takes the power away. */
  async cut(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    this.#process.kill('SIGKILL')
    await once(this.#process, 'exit')
  }

  async console(): Promise<string> {
    return await readFile(this.#console, 'latin1')
  }
}
