import { once } from 'node:events'
import { mkdir, symlink, truncate, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { run } from '@purlin/base'
import test from 'ava'
import fc from 'fast-check'
import { openSite, type TestSite } from '../../tests/support/site.ts'
import { BufferPool } from './send-file.ts'

const node = { mac: '52:54:00:88:00:07', address: '127.0.0.7', name: 'rack1-u07' }
const other = { mac: '52:54:00:88:00:08', address: '127.0.0.8', name: 'rack1-u08' }
const BOOT = '/boot/52-54-00-88-00-07.ipxe?platform=efi&uuid=4c4c&serial=A%20B'

test('a known node at its address is told what its state says, and others are not', async (t) => {
  const site = await openSite(t)
  site.machines.replace([node, other])
  const told = await site.ask(BOOT)
  t.is(told.status, 200)
  t.regex(told.body.toString(), /^#!ipxe\n/)
  t.deepEqual(site.desk.told, ['boot 52:54:00:88:00:07 127.0.0.7 uefi rack1-u07 4c4c A B'])

  site.desk.decision = { boot: 'refused', reason: 'in maintenance\nshell' }
  const refused = await site.ask(BOOT)
  t.is(refused.status, 403)
  t.regex(refused.body.toString(), /\n# in maintenance shell\n/)

  const stranger = await site.ask('/boot/52:54:00:99:00:01.ipxe')
  t.is(stranger.status, 403)
  t.regex(stranger.body.toString(), /# 52:54:00:99:00:01 is not known here/)
  const elsewhere = await site.ask(BOOT, { from: '127.0.0.8' })
  t.is(elsewhere.status, 403)
  site.neighbours = `IP address HW type Flags HW address Mask Device
127.0.0.7        0x1         0x2         52:54:00:66:66:66     *        lo
`
  t.is((await site.ask(BOOT)).status, 403, 'another MAC is at the address')
  t.is(site.desk.told.length, 2, 'the desk is not asked for who is not recognised')
  t.is(site.hostile.length, 3)
})

test('while the enrol window is open a stranger boots from the address leased to it', async (t) => {
  const site = await openSite(t)
  const stranger = '/boot/52-54-00-99-00-01.ipxe'
  site.machines.setEnrol(true)
  t.is((await site.ask(stranger)).status, 403)
  const seconds = Math.round(Date.now() / 1_000)
  const lease = (expiry: number) => `${expiry} 52:54:00:99:00:01 127.0.0.7 * 01:52\n`
  await writeFile(join(site.folder, 'leases'), lease(seconds - 10))
  t.is((await site.ask(stranger)).status, 403, 'a lease that ran out is none')
  await writeFile(join(site.folder, 'leases'), lease(seconds + 3_600))
  t.is((await site.ask(stranger)).status, 200)
  site.machines.setEnrol(false)
  t.is((await site.ask(stranger)).status, 403)
})

test('a token is good at its node’s addresses, in time, and in its own form', async (t) => {
  const site = await openSite(t)
  site.machines.replace([node, other])
  site.desk.files.set('answer', { ok: true, content: 'from NODE-URL', once: false })
  const token = site.desk.grant('rack1-u07', ['127.0.0.7', '127.0.0.50'])
  const path = `/node/${token}/file/answer`
  const told = await site.ask(path)
  t.is(told.body.toString(), `from http://10.88.0.1:8088/node/${token}`)
  t.is((await site.ask(path, { from: '127.0.0.50' })).status, 200)

  const statusOf = async (asked: string, from?: string): Promise<readonly [number, string]> => {
    const { status, body } = await site.ask(asked, from === undefined ? {} : { from })
    return [status, body.toString().trim()]
  }
  t.deepEqual(await statusOf(path, '127.0.0.8'), [403, 'the token is of another node'])
  const expired = site.desk.grant('rack1-u07', ['127.0.0.7'], Date.now() - 1)
  t.deepEqual(await statusOf(`/node/${expired}/file/answer`), [
    410,
    'the token of this boot ran out',
  ])
  const none = [404, 'there is no such token'] as const
  for (const wrong of [token.slice(1), `${token.slice(0, 21)}_`, 'x', '%20', `${token}x`]) {
    t.deepEqual(await statusOf(`/node/${wrong}/orders`), none, wrong)
  }
  t.deepEqual(await statusOf(`/node/${token}/file/none`), [404, 'there is no file none'])
  site.neighbours = '127.0.0.7 0x1 0x2 52:54:00:66:66:66 * lo\n'
  t.deepEqual(await statusOf(path), [403, 'the token is of another node'])
  t.deepEqual(site.hostile, [
    '127.0.0.8 used the token of rack1-u07',
    '127.0.0.7 used the token of rack1-u07 with another MAC than its own',
  ])
  t.false(
    site.access.some((line) => line.includes(token)),
    'no log has a token',
  )
})

test('of many that ask for a file with secrets at once, one gets it', async (t) => {
  const site = await openSite(t)
  site.desk.files.set('secrets', { ok: true, content: 'a hash', once: true })
  const token = site.desk.grant('rack1-u07', ['127.0.0.7'])
  const path = `/node/${token}/file/secrets`
  const head = await site.ask(path, { method: 'HEAD' })
  t.deepEqual([head.status, head.headers['content-length']], [200, '6'])
  const told = await Promise.all(
    // A range is not for a file that is served whole or not at all.
    Array.from({ length: 20 }, () => site.ask(path, { headers: { Range: 'bytes=0-0' } })),
  )
  t.is(told.filter(({ status }) => status === 200).length, 1)
  t.is(told.filter(({ status }) => status === 410).length, 19)
  const served = told.find(({ status }) => status === 200)
  t.is(served?.body.toString(), 'a hash')
  t.is(served?.headers['cache-control'], 'no-store')
})

test('events and reports reach the desk, and bodies that are none do not', async (t) => {
  const site = await openSite(t)
  const token = site.desk.grant('rack1-u07', ['127.0.0.7'])
  const post = async (what: string, body?: string | Buffer, headers = {}): Promise<number> => {
    const asking = { method: 'POST', headers, ...(body !== undefined && { body }) }
    return (await site.ask(`/node/${token}/${what}`, asking)).status
  }
  t.is(await post('event/installing'), 200)
  t.is(await post('event/failed', '{"message":"disk\\nsda is gone"}'), 200)
  t.is(await post('event/failed', '[]'), 422)
  t.is(await post('event/failed', 'x'), 422)
  t.is(await post('event/FAILED'), 404)
  t.is(await post('event/failed', Buffer.alloc(17_000, 32)), 413)
  t.is(await post('report', '{"cpu":1}'), 200)
  t.is(await post('report', '{'), 422)
  t.is(await post('report', 'x', { 'Content-Encoding': 'gzip' }), 415)
  const chunked = { 'Transfer-Encoding': 'chunked' }
  t.is(await post('report', Buffer.alloc(5 * 1024 * 1024, 32), chunked), 413)
  site.desk.eventAnswer = { ok: false, status: 409, reason: 'not in this state' }
  t.is(await post('event/installed'), 409)
  t.deepEqual(site.desk.told, [
    'event rack1-u07 installing',
    'event rack1-u07 failed disk sda is gone',
    'report rack1-u07 {"cpu":1}',
    'event rack1-u07 installed',
  ])
  t.is((await site.ask(`/node/${token}/event/x`)).status, 405)
})

test('who asks for orders again ends the wait before, and hanging up ends it too', async (t) => {
  const site = await openSite(t)
  const token = site.desk.grant('rack1-u07', ['127.0.0.7'])
  const signals: AbortSignal[] = []
  const waits: ((order: { order: string }) => void)[] = []
  site.desk.orders = (signal) => {
    signals.push(signal)
    return new Promise((resolve) => waits.push(resolve))
  }
  const path = `/node/${token}/orders`
  const asks = async (count: number): Promise<void> => {
    while (waits.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
  const first = site.ask(path)
  await asks(1)
  const second = site.ask(path)
  await asks(2)
  t.is((await first).body.toString(), '{"order":"wait"}\n')
  t.true(signals[0]?.aborted)
  waits[1]?.({ order: 'restart' })
  t.is((await second).body.toString(), '{"order":"restart"}\n')

  const socket = connect({
    port: site.listening.httpPort,
    host: '127.0.0.1',
    localAddress: '127.0.0.7',
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await asks(3)
  const gone = new Promise((resolve) => signals[2]?.addEventListener('abort', resolve))
  socket.destroy()
  await gone
  t.true(signals[2]?.aborted)
})

/** A tree with a file, a link inside it, and links that lead out of it. */
async function withTree(site: TestSite): Promise<Buffer> {
  const bytes = Buffer.from(
    Array.from({ length: 3_000_000 }, (_, at) => (at * 7 + (at >> 9)) & 255),
  )
  const tree = join(site.folder, 'medium')
  await mkdir(join(tree, 'pool'), { recursive: true })
  await writeFile(join(tree, 'pool', 'a+b.deb'), bytes)
  await writeFile(join(tree, 'empty'), '')
  await writeFile(join(site.folder, 'secret'), 'secret')
  await symlink('pool', join(tree, 'stable'))
  await symlink('../secret', join(tree, 'out'))
  await symlink('..', join(tree, 'up'))
  await symlink('/etc/passwd', join(tree, 'passwd'))
  await mkdir(join(site.folder, 'medium-2'))
  await writeFile(join(site.folder, 'medium-2', 'x'), 'secret')
  await symlink('../medium-2', join(tree, 'beside'))
  await run('mkfifo', [join(tree, 'pipe')], { timeoutMs: 5_000 })
  site.desk.trees.set('media/debian', tree)
  return bytes
}

test('every range of a medium’s file is byte for byte that of the file', async (t) => {
  const site = await openSite(t)
  const bytes = await withTree(site)
  const path = '/media/debian/stable/a%2Bb.deb'
  const whole = await site.ask(path)
  t.true(whole.body.equals(bytes))
  t.is(whole.headers['accept-ranges'], 'bytes')
  const at = fc.nat({ max: bytes.length + 10 })
  await fc.assert(
    fc.asyncProperty(at, at, async (a, b) => {
      const [first, last] = a < b ? [a, b] : [b, a]
      const told = await site.ask(path, { headers: { Range: `bytes=${first}-${last}` } })
      if (first >= bytes.length) {
        t.is(told.status, 416)
        t.is(told.headers['content-range'], `bytes */${bytes.length}`)
        return
      }
      t.is(told.status, 206)
      t.true(told.body.equals(bytes.subarray(first, last + 1)))
    }),
    { numRuns: 25 },
  )
  const tag = String(whole.headers.etag)
  const ask = (headers: Record<string, string>) => site.ask(path, { headers })
  t.is((await ask({ Range: 'bytes=5-9', 'If-Range': tag })).status, 206)
  t.is((await ask({ Range: 'bytes=5-9', 'If-Range': '"other"' })).status, 200)
  t.is((await ask({ Range: 'bytes=0-1,5-9' })).status, 416)
  const head = await site.ask(path, { method: 'HEAD' })
  t.deepEqual([head.headers['content-length'], head.body.length], [String(bytes.length), 0])
  t.is((await site.ask('/media/debian/empty')).body.length, 0)
})

test('nothing outside a tree is served, by no path and no link', async (t) => {
  const site = await openSite(t)
  await withTree(site)
  const ways = [
    ...['out', 'up/secret', 'passwd', 'beside/x', 'pipe', 'pool', '', 'none'],
    ...['%2e%2e/secret', '..%2fsecret', 'pool/%2e%2e/%2e%2e/secret', 'pool%2f..%2f..%2fsecret'],
  ]
  for (const way of ways) {
    const { status, body } = await site.ask(`/media/debian/${way}`)
    t.true(status === 404 || status === 400, way)
    t.false(body.toString().includes('secret'), way)
  }
  t.is((await site.ask('/media/ubuntu/pool')).status, 403, 'a tree that is not for the node')
  t.is((await site.ask('/loader/leases')).status, 404)
  t.is((await site.ask('/system/..%2fsecret')).status, 400)
})

test('a system file, an image and a loader come whole, and what there is none of is 404', async (t) => {
  const site = await openSite(t)
  const file = join(site.folder, 'ipxe.efi')
  await writeFile(file, 'bytes of it')
  site.system.set('kernel', file)
  site.desk.trees.set('image/root', file)
  for (const path of ['/system/kernel', '/image/root', '/loader/ipxe.efi']) {
    t.is((await site.ask(path)).body.toString(), 'bytes of it', path)
  }
  t.is((await site.ask('/system/none')).status, 404)
  t.is((await site.ask('/none')).status, 404)
  t.is((await site.ask('/system/kernel', { method: 'DELETE' })).status, 405)
  t.regex((await site.ask('/boot.ipxe')).body.toString(), /^#!ipxe\nchain --replace/)
})

test('clients that do not read hold their own transfers, and nobody else’s', async (t) => {
  const site = await openSite(t)
  const large = join(site.folder, 'large')
  await writeFile(large, '')
  await truncate(large, 64 * 1024 * 1024)
  site.desk.trees.set('image/root', large)
  const { httpPort } = site.listening
  const stuck = Array.from({ length: 24 }, () =>
    connect({ port: httpPort, host: '127.0.0.1', localAddress: '127.0.0.7' }).pause(),
  )
  t.teardown(async () => {
    for (const socket of stuck) socket.destroy()
  })
  for (const socket of stuck) socket.write('GET /image/root HTTP/1.1\r\nHost: x\r\n\r\n')
  await Promise.all(stuck.map((socket) => once(socket, 'connect')))
  const told = await site.ask('/image/root', { from: '127.0.0.8' })
  t.is(told.body.length, 64 * 1024 * 1024)
  t.false(
    site.access.some((line) => line.startsWith('127.0.0.7')),
    'theirs are on their way still',
  )
})

test('when all buffers are out the next transfer is told to come again', (t) => {
  const pool = new BufferPool(4)
  const [first, second] = [pool.take(), pool.take()]
  t.is(pool.take(), undefined)
  pool.give(first ?? [])
  t.is(pool.take()?.[0], first?.[1], 'a buffer that came back is used again')
  t.is(second?.length, 2)
})

test('metrics go to the desk with their token', async (t) => {
  const site = await openSite(t)
  const send = async (body: Buffer, authorization?: string): Promise<number> => {
    const headers = authorization === undefined ? {} : { Authorization: authorization }
    return (await site.ask('/metrics', { method: 'POST', body, headers })).status
  }
  t.is(await send(Buffer.from('up 1\n'), 'Bearer good'), 204)
  t.is(await send(Buffer.from('up 1\n'), 'Bearer bad'), 401)
  t.is(await send(Buffer.from('up 1\n')), 401)
  t.is(await send(Buffer.alloc(1024 * 1024 + 1), 'Bearer good'), 413)
  t.deepEqual(site.desk.told, ['metrics good 5', 'metrics bad 5', 'metrics undefined 5'])
})

test('a fault of the desk is a sentence for the log and 500 for the node', async (t) => {
  const site = await openSite(t)
  site.machines.replace([node])
  site.desk.decision = { boot: 'discovery', arguments: ['two words'] }
  const told = await site.ask(BOOT)
  t.is(told.status, 500)
  t.false(told.body.toString().includes('words'))
  t.regex(site.faults[0] ?? '', /^answer 127\.0\.0\.7 for \/boot\/52:54:00:88:00:07: /)
})
