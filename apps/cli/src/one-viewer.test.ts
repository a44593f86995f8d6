import { once } from 'node:events'
import { connect } from 'node:net'
import { duplexPair } from 'node:stream'
import type { ConsoleEnd, MachineConsole } from '@purlin/sdk'
import test from 'ava'
import { serveOneViewer } from './one-viewer.ts'

function bench() {
  const [mine, machine] = duplexPair()
  const ending = Promise.withResolvers<ConsoleEnd>()
  const here = { why: 'ended-here', message: 'left' } as const
  mine.once('finish', () => ending.resolve(here))
  mine.once('close', () => ending.resolve(here))
  const screen: MachineConsole = Object.assign(mine, { ended: ending.promise })
  const listening = Promise.withResolvers<number>()
  const stop = new AbortController()
  const options = { port: 0, onListening: listening.resolve, signal: stop.signal }
  return { ...{ screen, machine, stop, options, ending }, port: listening.promise }
}

test('the first viewer has the screen both ways, a second is not let in', async (t) => {
  const { screen, machine, options, port } = bench()
  const ended = serveOneViewer(screen, options)
  const viewer = connect(await port, '127.0.0.1')
  machine.write('RFB 003.008\n')
  t.is(String((await once(viewer, 'data'))[0]), 'RFB 003.008\n')
  viewer.write('RFB 003.008\n')
  t.is(String((await once(machine, 'data'))[0]), 'RFB 003.008\n')
  const second = connect(await port, '127.0.0.1')
  t.is((await once(second, 'error'))[0].code, 'ECONNREFUSED')
  viewer.end()
  t.is((await ended).why, 'ended-here')
})

test('a screen that ends before anybody came says why', async (t) => {
  const { screen, options, port, ending } = bench()
  const ended = serveOneViewer(screen, options)
  await port
  ending.resolve({ why: 'machine-off', message: 'it is off' })
  t.deepEqual(await ended, { why: 'machine-off', message: 'it is off' })
})
