import { duplexPair, PassThrough } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { createVirtualClock } from '@purlin/base'
import type { ConsoleEnd, MachineConsole } from '@purlin/sdk'
import test from 'ava'
import { attach } from './attach.ts'

/** A console in memory, the guest's end of it, and a terminal with what it was told. */
function bench(isTerminal: boolean) {
  const [mine, guest] = duplexPair()
  const ending = Promise.withResolvers<ConsoleEnd>()
  mine.once('finish', () => ending.resolve({ why: 'ended-here', message: 'left' }))
  mine.once('finish', () => guest.end())
  const console: MachineConsole = Object.assign(mine, { ended: ending.promise })
  const raw: boolean[] = []
  const input = new PassThrough()
  const output = new PassThrough()
  const clock = createVirtualClock()
  let heard = ''
  guest.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')))
  return {
    ...{ console, guest, input, output, raw, clock, end: ending.resolve },
    terminal: { input, output, isTerminal, setRaw: (on: boolean) => void raw.push(on) },
    heard: () => heard,
    shown: () => String(output.read() ?? ''),
  }
}

const settle = async (): Promise<void> => {
  for (let turns = 0; turns < 20; turns++) await turn()
}

test('a person’s keys go to the guest as they come, Ctrl-C too; the escape leaves', async (t) => {
  const { console, terminal, guest, input, raw, clock, heard, shown } = bench(true)
  const left = attach(console, terminal, { clock, escape: 0x1d })
  t.deepEqual(raw, [true])
  guest.write('login: ')
  input.write('root\r\x03')
  await settle()
  t.is(heard(), 'root\r\x03')
  t.is(shown(), 'login: ')
  input.write('ls\x1dnot for the guest')
  t.is((await left).why, 'ended-here')
  await settle()
  t.is(heard(), 'root\r\x03ls')
  t.deepEqual(raw, [true, false])
  t.true(shown().startsWith('\x1b[0m'), 'what the guest switched on is off again')
})

test('what is piped goes whole and unchanged; its end does not leave the console', async (t) => {
  const { console, terminal, guest, input, raw, clock, heard, shown, end } = bench(false)
  const ended = attach(console, terminal, { clock, escape: 0x1d })
  input.end('a\x1d\xffb', 'latin1')
  await settle()
  guest.end('an answer')
  await settle()
  t.is(heard(), 'a\x1d\xffb')
  end({ why: 'machine-off', message: 'it is off' })
  t.is((await ended).why, 'machine-off')
  t.is(shown(), 'an answer', 'nothing is added to it')
  t.deepEqual(raw, [])
})

test('with a time to linger, what is piped leaves that long after its end', async (t) => {
  const { console, terminal, input, clock } = bench(false)
  let why = ''
  const ended = attach(console, terminal, { clock, escape: 0, lingerMs: 2_000 }).then((end) => {
    why = end.why
  })
  input.end('a')
  await settle()
  await clock.advance(1_999)
  t.is(why, '')
  await clock.advance(1)
  await ended
  t.is(why, 'ended-here')
})

test('a guest that does not read holds the keys back', async (t) => {
  const { console, terminal, guest, input, clock } = bench(false)
  guest.removeAllListeners('data')
  guest.pause()
  const ended = attach(console, terminal, { clock, escape: 0, lingerMs: 1 })
  const more = (): boolean => input.write(Buffer.alloc(65_536))
  let taken = 0
  while (taken < 100 && more()) taken++
  await settle()
  t.true(input.isPaused())
  guest.resume()
  input.end()
  await settle()
  await clock.advance(1)
  t.is((await ended).why, 'ended-here')
})
