import { once } from 'node:events'
import { Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import type { ConsoleEvent } from '@purlin/bmc'
import test from 'ava'
import { writeConsole } from './console-stream.ts'

/** A client that reads as far as it is told to. */
class Client extends Writable {
  readonly texts: string[] = []
  #read: (() => void) | undefined

  constructor() {
    super({ highWaterMark: 256, decodeStrings: false })
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.texts.push(chunk)
    this.#read = done
  }

  read(): void {
    const read = this.#read
    this.#read = undefined
    read?.()
  }
}

/** A console that never ends. */
class Endless {
  taken = 0

  async *events(): AsyncGenerator<ConsoleEvent, void, void> {
    for (;;) {
      this.taken += 1
      yield { kind: 'output', atMs: 1, bytes: Buffer.alloc(96, 'x') }
    }
  }
}

async function turns(): Promise<void> {
  for (let passed = 0; passed < 50; passed++) await turn()
}

test('of a console that never ends no more is taken than its client reads', async (t) => {
  const client = new Client()
  const told = new Endless()
  const writing = writeConsole(client, told.events(), () => 1)
  await turns()
  t.true(told.taken <= 4, `${told.taken} were taken and none was read`)
  const before = told.taken
  for (let reads = 0; reads < 20; reads++) {
    client.read()
    await turns()
  }
  t.true(told.taken > before, 'and goes on as it reads')
  t.true(told.taken <= 24)
  client.destroy()
  await writing
})

test('a console that fails is told as its end', async (t) => {
  const client = new Client()
  const failing = (async function* (): AsyncGenerator<ConsoleEvent> {
    yield { kind: 'skipped', bytes: 3 }
    throw new Error('the BMC is gone')
  })()
  const ended = once(client, 'finish')
  const writing = writeConsole(client, failing, () => 7)
  for (let reads = 0; reads < 5; reads++) {
    await turns()
    client.read()
  }
  await Promise.all([writing, ended])
  t.deepEqual(client.texts.slice(0, 2), ['\n', '{"kind":"skipped","bytes":3}\n'])
  t.regex(client.texts[2] ?? '', /^\{"kind":"ended","atMs":7,"reason":".*the BMC is gone/)
})
