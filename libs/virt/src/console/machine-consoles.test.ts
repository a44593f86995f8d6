import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createVirtualClock, uuidOf } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { createFakeLibvirt, type FakeLibvirt } from '../../tests/support/fake-libvirt.ts'
import { machineOf } from '../../tests/support/machines.ts'
import { domainXml } from '../domain/xml.ts'
import { createMachineConsoles, type MachineConsoles } from './machine-consoles.ts'

const { signal } = new AbortController()
const web = { name: 'web-1', uuid: uuidOf('web-1') }

interface Bench {
  readonly fake: FakeLibvirt
  readonly consoles: MachineConsoles
  /** Where QEMU listens. */
  readonly serialSocket: string
  /** Who came, in order. */
  readonly came: Socket[]
}

async function bench(t: ExecutionContext, listens = true): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'purlin-serial-'))
  const serialSocket = join(folder, 'web-1.serial')
  const came: Socket[] = []
  const qemu = createServer((socket) => void came.push(socket))
  if (listens) await new Promise<void>((resolve) => qemu.listen(serialSocket, resolve))
  t.teardown(async () => {
    for (const socket of came) socket.destroy()
    qemu.close()
    await rm(folder, { recursive: true })
  })
  const fake = createFakeLibvirt()
  const consoles = createMachineConsoles({ libvirt: fake.port, clock: createVirtualClock() })
  return { fake, consoles, serialSocket, came }
}

test('the serial console is the socket that the running domain names', async (t) => {
  const { fake, consoles, serialSocket } = await bench(t)
  fake.add(domainXml(machineOf('web-1', { serialSocket })), true)
  t.is(await consoles.look('serial', web, signal), '/var/log/purlin/web-1.serial')
  const socket = await consoles.open('serial', web, signal)
  t.false(socket.destroyed)
  socket.destroy()
})

test('what was defined since counts from the next start on: a machine without a socket says so', async (t) => {
  const { fake, consoles, serialSocket } = await bench(t)
  const xml = domainXml(machineOf('web-1', { serialSocket }))
  fake.add(xml.replace('<serial type="unix">', '<serial type="pty">'), true)
  fake.add(xml)
  const error = await t.throwsAsync(consoles.look('serial', web, signal), {
    code: 'PUR_CONSOLE_ABSENT',
  })
  t.regex(error?.message ?? '', /stop and start it/)
  await t.throwsAsync(consoles.open('vnc', web, signal), { code: 'PUR_CONSOLE_ABSENT' })
})

test('a machine that is off, another of its name and a foreign domain have no console', async (t) => {
  const { fake, consoles, serialSocket } = await bench(t)
  await t.throwsAsync(consoles.look('serial', web, signal), { code: 'PUR_VIRT_NO_DOMAIN' })
  const xml = domainXml(machineOf('web-1', { serialSocket, display: true }))
  fake.add(xml)
  await t.throwsAsync(consoles.open('serial', web, signal), { code: 'PUR_VIRT_POWER' })
  await fake.port.start('web-1', { deadlineMs: 1 })
  const other = { name: 'web-1', uuid: uuidOf('another') }
  await t.throwsAsync(consoles.open('vnc', other, signal), { code: 'PUR_VIRT_NO_DOMAIN' })
  fake.add(xml.replaceAll('purlin:machine', 'x:machine').replaceAll('web-1', 'web-2'), true)
  const foreign = { name: 'web-2', uuid: web.uuid }
  await t.throwsAsync(consoles.open('vnc', foreign, signal))
})

test('a QEMU that does not listen is named with its socket', async (t) => {
  const { fake, consoles, serialSocket } = await bench(t, false)
  fake.add(domainXml(machineOf('web-1', { serialSocket })), true)
  await t.throwsAsync(consoles.open('serial', web, signal), {
    code: 'PUR_VIRT_UNREACHABLE',
    message: /web-1: its QEMU does not answer at .*web-1\.serial: connect ENOENT/,
  })
})

test('a console that ended with its machine is told from one that QEMU closed', async (t) => {
  const { fake, consoles, serialSocket, came } = await bench(t)
  fake.add(domainXml(machineOf('web-1', { serialSocket })), true)
  const socket = await consoles.open('serial', web, signal)
  while (came.length === 0) await new Promise((resolve) => setImmediate(resolve))
  came[0]?.destroy()
  socket.resume()
  await once(socket, 'close')
  await fake.port.destroy('web-1', { deadlineMs: 1 })
  t.is(await consoles.whyEnded('web-1', signal), 'machine-off')
  await fake.port.start('web-1', { deadlineMs: 1 })
  const given = new AbortController()
  const why = consoles.whyEnded('web-1', given.signal)
  given.abort()
  t.is(await why, 'closed-by-machine')
})
