import { once } from 'node:events'
import { connect } from 'node:tls'
import { PurlinError } from '@purlin/base'
import { refuseUpgrade } from '@purlin/service'
import { createAuthority, createRequest, signRequest } from '@purlin/store'
import test from 'ava'
import type { FastifyInstance } from 'fastify'
import { listenForHosts, provenFingerprint } from './fleet-listener.ts'

test('a WebSocket is asked for over TLS as over the unix socket, with what the other end proved', async (t) => {
  const authority = await createAuthority('dc1')
  const { request, key } = await createRequest('host-b')
  const subject = { name: 'host-b', addresses: ['127.0.0.1'] }
  const certificate = await signRequest(authority, request, subject, undefined, 30)
  const asked: string[] = []
  const app = { routing: () => t.fail('answered as any other') } as unknown as FastifyInstance
  const server = await listenForHosts(app, {
    ...{ listen: '127.0.0.1:0', ca: authority.certificate, certificate, key },
    upgrade: ({ url, socket }, stream) => {
      const proven = provenFingerprint(socket) === undefined ? 'nobody' : 'a host'
      asked.push(`${proven} ${url}`)
      refuseUpgrade(stream, new PurlinError('PUR_CONSOLE_TOKEN', { message: 'no' }))
    },
  })
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  for (const proof of [{ cert: certificate, key }, {}]) {
    const socket = connect({ port, host: '127.0.0.1', ca: authority.certificate, ...proof })
    await once(socket, 'secureConnect')
    const lines = [
      'GET /v1/console HTTP/1.1',
      'host: a',
      'connection: upgrade',
      'upgrade: websocket',
    ]
    socket.write(`${lines.join('\r\n')}\r\n\r\n`)
    let text = ''
    for await (const chunk of socket) text += chunk
    t.regex(text, /^HTTP\/1\.1 401 [\s\S]*PUR_CONSOLE_TOKEN/)
  }
  t.deepEqual(asked, ['a host /v1/console', 'nobody /v1/console'])
})
