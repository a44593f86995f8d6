import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import test from 'ava'
import { createInZone, openNetfilterSocket, readZone } from '../src/index.ts'
import type { Connection } from '../src/netlink/connection.ts'
import { host, nft } from './support/lab.ts'

const kernel = openNetfilterSocket()
const ZONE = 71
const OTHER = 72
const PORT = 45_471
const TRANSLATED = 45_472

test.before(async () => {
  await host('ip', 'link', 'set', 'lo', 'up')
})

test.afterEach.always(async () => {
  await nft('add table inet carry\ndelete table inet carry')
})

test.after.always(() => {
  kernel.close()
})

/** Connections to the port are tracked in the zone, and nothing passes in their middle. */
function tracked(zone: number): string {
  return [
    'add table inet carry',
    'delete table inet carry',
    'add table inet carry',
    'add chain inet carry o { type filter hook output priority -310; }',
    'add chain inet carry p { type filter hook prerouting priority -310; }',
    `add rule inet carry o oifname "lo" tcp dport ${PORT} ct zone set ${zone}`,
    `add rule inet carry o oifname "lo" tcp sport ${PORT} ct zone set ${zone}`,
    `add rule inet carry p iifname "lo" tcp dport ${PORT} ct zone set ${zone}`,
    `add rule inet carry p iifname "lo" tcp sport ${PORT} ct zone set ${zone}`,
    'add chain inet carry own',
    'add rule inet carry own ct state established accept',
    'add rule inet carry own tcp flags syn / fin,syn,rst,ack ct mark set 0x47 accept',
    'add rule inet carry own drop',
    'add chain inet carry f { type filter hook output priority 0; }',
    `add rule inet carry f tcp dport ${PORT} jump own`,
    `add rule inet carry f tcp sport ${PORT} jump own`,
  ].join('\n')
}

async function echo(socket: Socket, word: string, limitMs: number): Promise<string | undefined> {
  const answer = once(socket, 'data').then(([bytes]) => String(bytes))
  socket.write(word)
  const over = new Promise<undefined>((resolve) => {
    setTimeout(resolve, limitMs, undefined)
  })
  return await Promise.race([answer, over])
}

test.serial(
  'a TCP stream goes on over an entry that was carried into another zone, and stops without it',
  async (t) => {
    await nft(tracked(ZONE))
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
    await new Promise<void>((resolve) => {
      server.listen(PORT, '127.0.0.1', resolve)
    })
    const socket = connect(PORT, '127.0.0.1').on('error', () => undefined)
    await once(socket, 'connect')
    t.teardown(() => {
      server.unref()
      socket.destroy()
      server.close()
    })
    t.is(await echo(socket, 'here', 5_000), 'here')
    const entries = await readZone(ZONE)
    t.is(entries.length, 1)
    await nft(tracked(OTHER))
    t.is(await echo(socket, 'lost', 1_000), undefined, 'without its entry nothing passes')
    t.deepEqual(await kernel.listConnections({ zones: new Set([OTHER]) }), [])
    t.deepEqual(await createInZone(OTHER, entries), { created: 1, refused: [] })
    t.is(await echo(socket, '', 10_000), 'lost', 'what was sent meanwhile is sent again')
    t.is(await echo(socket, 'there', 5_000), 'there')
    const [made] = await kernel.listConnections({ zones: new Set([OTHER]) })
    const [before] = await kernel.listConnections({ zones: new Set([ZONE]) })
    t.like(made, { mark: 0x47, tcpState: 3, status: before?.status, original: before?.original })
    t.deepEqual(await createInZone(OTHER, entries), { created: 1, refused: [] }, 'it is there')
    t.is((await kernel.listConnections({ zones: new Set([OTHER]) })).length, 1)
  },
)

test.serial('a translated connection is carried with its translation', async (t) => {
  await nft(
    [
      tracked(ZONE),
      'add chain inet carry d { type nat hook output priority -100; }',
      `add rule inet carry d ip daddr 127.0.0.1 tcp dport ${PORT} dnat to 127.0.0.2:${TRANSLATED}`,
      `add rule inet carry p iifname "lo" tcp sport ${TRANSLATED} ct zone set ${ZONE}`,
      `add rule inet carry p iifname "lo" tcp dport ${TRANSLATED} ct zone set ${ZONE}`,
      `add rule inet carry o oifname "lo" tcp sport ${TRANSLATED} ct zone set ${ZONE}`,
    ].join('\n'),
  )
  const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket))
  await new Promise<void>((resolve) => {
    server.listen(TRANSLATED, '127.0.0.2', resolve)
  })
  const socket = connect(PORT, '127.0.0.1').on('error', () => undefined)
  await once(socket, 'connect')
  t.teardown(() => {
    server.unref()
    socket.destroy()
    server.close()
  })
  t.is(await echo(socket, 'here', 5_000), 'here')
  const zones = new Set([ZONE])
  const own = ({ original }: Connection): boolean => original.sourcePort === socket.localPort
  const before = (await kernel.listConnections({ zones })).filter(own)
  const entries = await readZone(ZONE)
  await nft('insert rule inet carry f ip daddr 127.0.0.0/8 drop')
  await kernel.deleteConnections(before)
  t.deepEqual((await createInZone(ZONE, entries)).refused, [])
  await nft('flush chain inet carry f')
  const after = (await kernel.listConnections({ zones })).filter(own)
  t.is(before.length, 1)
  t.deepEqual(
    after.map(({ original, reply, status }) => ({ original, reply, status })),
    before.map(({ original, reply, status }) => ({ original, reply, status })),
  )
  t.is(await echo(socket, 'there', 10_000), 'there')
})

test.serial('entries that the kernel cannot take are told and hold up no other', async (t) => {
  const broken = { family: 2, attributes: '' }
  const { created, refused } = await createInZone(OTHER, [broken, broken])
  t.is(created, 0)
  t.is(refused.length, 2)
  t.regex(refused[0] ?? '', /EINVAL/)
})
