import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectSecurely } from 'node:tls'
import { run } from '@purlin/base'
import test from 'ava'
import { temporaryFolder } from '../../tests/support/desk.ts'
import { openSite } from '../../tests/support/site.ts'

/** What a connection says to a text, until it is closed. */
async function exchange(socket: Socket, text: string): Promise<string> {
  const parts: Buffer[] = []
  socket.on('data', (part) => parts.push(part))
  socket.on('error', () => {})
  socket.write(text)
  await once(socket, 'close')
  return Buffer.concat(parts).toString()
}

const from = (port: number, address: string): Socket =>
  connect({ port, host: '127.0.0.1', localAddress: address })

test('a head that is too long, or takes too long, ends its connection', async (t) => {
  const { listening } = await openSite(t, { headersDeadlineMs: 300 })
  const long = `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(9_000)}\r\n\r\n`
  t.regex(await exchange(from(listening.httpPort, '127.0.0.7'), long), /^HTTP\/1\.1 431 /)
  const slow = await exchange(from(listening.httpPort, '127.0.0.7'), 'GET / HTTP/1.1\r\nHost')
  t.regex(slow, /^HTTP\/1\.1 408 /)
  for (const nonsense of ['\0\0\0\r\n\r\n', 'GET\r\n\r\n', 'SSH-2.0-x\r\n\r\n']) {
    t.regex(await exchange(from(listening.httpPort, '127.0.0.7'), nonsense), /^HTTP\/1\.1 400 /)
  }
})

test('one address has 32 connections and no more, and the others have theirs', async (t) => {
  const site = await openSite(t)
  const sockets = Array.from({ length: 32 }, () => from(site.listening.httpPort, '127.0.0.7'))
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
  })
  // Each has spoken, so each has been counted.
  await Promise.all(
    sockets.map(async (socket) => {
      socket.write('GET /none HTTP/1.1\r\nHost: x\r\n\r\n')
      await once(socket, 'data')
    }),
  )
  t.is(await exchange(from(site.listening.httpPort, '127.0.0.7'), 'GET / HTTP/1.1\r\n'), '')
  t.is((await site.ask('/none', { from: '127.0.0.8' })).status, 404)
  const [first] = sockets
  first?.destroy()
  for (let status = 0; status !== 404; ) {
    status = (await site.ask('/none').catch(() => ({ status: 0 }))).status
  }
  t.pass('a place that is given back is taken again')
})

test('HTTPS is TLS 1.3, metrics need it, and a node’s URLs are those it came by', async (t) => {
  const folder = await temporaryFolder(t)
  const [key, certificate] = [join(folder, 'key'), join(folder, 'certificate')]
  await writeFile(join(folder, 'none'), '')
  const words = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-config', '/dev/null', '-subj', '/CN=boot', '-keyout', key, '-out', certificate],
  ]
  await run('openssl', words, { timeoutMs: 30_000 })
  const tls = { key: await readFile(key, 'utf8'), certificate: await readFile(certificate, 'utf8') }
  const site = await openSite(t, { tls })
  const token = site.desk.grant('rack1-u07', ['127.0.0.1'])
  site.desk.files.set('answer', { ok: true, content: 'NODE-URL', once: false })
  const port = site.listening.httpsPort ?? 0
  const secure = (more = {}) =>
    connectSecurely({
      port,
      host: '127.0.0.1',
      ca: tls.certificate,
      checkServerIdentity: () => undefined,
      ...more,
    })
  const head = 'Host: x\r\nConnection: close\r\n'
  const answer = await exchange(secure(), `GET /node/${token}/file/answer HTTP/1.1\r\n${head}\r\n`)
  t.true(answer.endsWith(`https://10.88.0.1:8448/node/${token}`))
  t.is((await site.ask('/metrics', { method: 'POST', body: 'up 1' })).status, 403)
  const old = secure({ maxVersion: 'TLSv1.2' })
  const [error] = (await once(old, 'error')) as [NodeJS.ErrnoException]
  t.is(error.code, 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
})
