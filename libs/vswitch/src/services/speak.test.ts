import { createSocket } from 'node:dgram'
import { run } from '@purlin/base'
import test from 'ava'
import { speakCommand } from './speak.ts'

test('the speaking program sends each datagram and ends', async (t) => {
  const socket = createSocket('udp4')
  const heard: string[] = []
  socket.on('message', (bytes: Buffer) => heard.push(bytes.toString('hex')))
  await new Promise<void>((resolve) => {
    socket.bind(0, '127.0.0.1', resolve)
  })
  const { port } = socket.address()
  const [program = '', ...args] = speakCommand([
    { address: '127.0.0.1', port, bytes: 'cafe01' },
    { address: '127.0.0.1', port, bytes: '02' },
  ])
  await run(program, args, { timeoutMs: 10_000 })
  for (let round = 0; round < 200 && heard.length < 2; round++) {
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
  socket.close()
  t.deepEqual(heard.sort(), ['02', 'cafe01'])
})
