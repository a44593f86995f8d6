/** A machine of QEMU on a deployment network of its own, as a program in a network namespace of its
 *  own: `guest.ts JSON`. It boots until its console and the service's log have said everything that
 *  is awaited, and prints what was said, or ends with 1 where the time is over. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '@purlin/base'
import { type BootDecision, openBootService } from '../../src/index.ts'
import { testDesk } from './desk.ts'
import { ended } from './network.ts'

export interface GuestOrder {
  /** `bios`: the NIC's own iPXE. The others: what UEFI brings itself. */
  readonly firmware: 'bios' | 'uefi' | 'uefi-http'
  readonly decision: BootDecision
  /** Texts, in this order, of the console, of requests and of what the desk was asked. */
  readonly awaited: readonly string[]
  readonly limitMs: number
}

const order: GuestOrder = JSON.parse(process.argv[2] ?? '{}')
const MAC = '52:54:00:88:00:07'
const UEFI = '/usr/share/OVMF/OVMF_CODE_4M.fd'
const folder = await mkdtemp(join(tmpdir(), 'purlin-guest-'))
await chmod(folder, 0o755)
for (const words of [
  'link set lo up',
  'link add deploy0 type bridge',
  'address add 10.88.0.1/24 dev deploy0',
  'link set deploy0 up',
  'tuntap add tap0 mode tap',
  'link set tap0 master deploy0 up',
]) {
  await run('ip', words.split(' '), { timeoutMs: 10_000 })
}

let said = ''
let guest: ChildProcess | undefined
let finish = (_isWhole: boolean): void => {}
const over = new Promise<boolean>((resolve) => {
  finish = resolve
})
const hear = (text: string): void => {
  // The console's colours and cursor are no text.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
  said += text.replaceAll(/\x1b\[[0-9;?=]*[A-Za-z]/g, '')
  let at = 0
  for (const words of order.awaited) {
    at = said.indexOf(words, at)
    if (at === -1) return
  }
  finish(true)
}
const timer = setTimeout(() => finish(false), order.limitMs)
const desk = testDesk()
desk.decision = order.decision
const service = await openBootService({
  network: 'deploy0',
  interface: 'deploy0',
  subnet: { cidr: '10.88.0.0/24', from: '10.88.0.100', to: '10.88.0.199' },
  folder,
  desk,
  systemFile: () => undefined,
  onNotice: ({ message }) => hear(`notice ${message}\n`),
  onAccess: (line) => hear(`access ${line} told ${desk.told.join(', ')}\n`),
})
try {
  await service.setHosts([{ mac: MAC, address: '10.88.0.7', name: 'rack1-u07' }])
  guest = spawn('qemu-system-x86_64', qemuWords(), { stdio: ['ignore', 'pipe', 'inherit'] })
  guest.stdout?.on('data', (text: Buffer) => hear(text.toString('latin1')))
  process.exitCode = (await over) ? 0 : 1
} finally {
  clearTimeout(timer)
  if (guest !== undefined) await ended(guest)
  await service.close()
  await rm(folder, { recursive: true, force: true })
  process.stdout.write(said)
}

function qemuWords(): readonly string[] {
  const isBios = order.firmware === 'bios'
  // Without a ROM of the NIC the firmware boots by its own driver.
  const nic = `virtio-net-pci,netdev=net0,mac=${MAC},bootindex=1${isBios ? '' : ',romfile='}`
  return [
    ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio', '-m', '512'],
    ...['-machine', isBios ? 'q35,graphics=off' : 'q35', '-accel', 'tcg,thread=single'],
    ...['-uuid', '4c4c4544-0042-4810-8051-b4c04f4e3732', '-smbios', 'type=1,serial=AB C&D'],
    ...['-netdev', 'tap,id=net0,ifname=tap0,script=no,downscript=no', '-device', nic],
    ...(isBios
      ? []
      : ['-drive', `if=pflash,format=raw,readonly=on,file=${UEFI}`, '-device', 'virtio-rng-pci']),
    ...(order.firmware === 'uefi-http'
      ? ['4', '6'].flatMap((family) => [
          '-fw_cfg',
          `name=opt/org.tianocore/IPv${family}PXESupport,string=n`,
        ])
      : []),
  ]
}
