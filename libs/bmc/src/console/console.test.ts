import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { createVirtualClock, systemClock } from '@purlin/base'
import test, { type ExecutionContext } from 'ava'
import { type ConsoleEvent, ConsoleRecorder } from './console.ts'
import { type RunningProgram, startProgram } from './program.ts'
import { Readers } from './readers.ts'
import { Recording } from './recording.ts'
import { withoutBanner } from './session.ts'

const BANNER = '[SOL Session operational.  Use ~? for help]\n'

async function folderOf(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'console-test-'))
  t.teardown(() => rm(folder, { recursive: true }))
  return folder
}

/** A program that the test speaks for. */
function spokenFor(): { program: RunningProgram; say: PassThrough; end: (words: string) => void } {
  const say = new PassThrough()
  const { promise, resolve } = Promise.withResolvers<string>()
  const end = (words: string): void => {
    say.end()
    resolve(words)
  }
  return { program: { output: say, ended: promise, stop: () => end('stopped') }, say, end }
}

async function partsOf(...parts: string[]): Promise<string[]> {
  const bytes = async function* (): AsyncGenerator<Uint8Array> {
    for (const part of parts) yield Buffer.from(part)
  }
  const seen = await Array.fromAsync(withoutBanner(bytes()))
  return seen.map((part) => Buffer.from(part).toString())
}

/** Reads until `wanted` is seen in the output, or the reader ends. */
async function readUntil(
  events: AsyncIterable<ConsoleEvent>,
  wanted: string,
): Promise<ConsoleEvent[]> {
  const seen: ConsoleEvent[] = []
  let text = ''
  for await (const event of events) {
    seen.push(event)
    if (event.kind === 'output') text += Buffer.from(event.bytes).toString()
    if (text.includes(wanted)) break
  }
  return seen
}

test('the banner of a session is no output, however it is cut', async (t) => {
  t.deepEqual(await partsOf(`${BANNER}boot`), ['', 'boot'])
  t.deepEqual(await partsOf(BANNER.slice(0, 9), BANNER.slice(9), 'boot'), ['', 'boot'])
  t.deepEqual(await partsOf('GRUB\nmenu'), ['', 'GRUB\nmenu'])
  t.deepEqual(await partsOf('Error'), [])
  t.deepEqual(await partsOf('x'.repeat(300)), ['', 'x'.repeat(300)])
})

test('what comes is recorded and read; a lost session is opened again, and both ends are told', async (t) => {
  const file = join(await folderOf(t), 'console')
  const sessions = [spokenFor(), spokenFor()]
  let begun = 0
  let ended = 0
  const begin = async (): Promise<RunningProgram> => {
    const session = sessions[begun]
    begun += 1
    if (session === undefined) throw new Error('no more')
    return session.program
  }
  const endSession = async (): Promise<void> => {
    ended += 1
  }
  const clock = { ...systemClock, sleep: async () => {} }
  const console = new ConsoleRecorder({ file, bytesMax: 100_000 }, { clock, begin, endSession })
  const reading = readUntil(console.read(), 'two')
  sessions[0]?.say.write(`${BANNER}one\r\n`)
  sessions[0]?.end('Error: SOL session closed by BMC\n')
  sessions[1]?.say.write(`${BANNER}two\r\n`)
  const seen = await reading
  t.deepEqual(
    seen.map(({ kind }) => kind),
    ['began', 'output', 'ended', 'began', 'output'],
  )
  t.is(ended, 1, 'the session at the BMC was ended before the next began')
  t.true(console.connected)
  t.is(Buffer.from(console.tail()).toString(), 'one\r\ntwo\r\n')
  await console.close()
  t.false(console.connected)
  const recorded = await readFile(file, 'utf8')
  t.regex(
    recorded,
    /console began.*one.*ended: Error: SOL session closed by BMC.*began.*two.*ended/s,
  )
  t.is((await stat(file)).mode & 0o777, 0o600)
})

test('a BMC that gives no session is asked at 1, 2, 4 .. 60 s', async (t) => {
  const clock = createVirtualClock()
  const startsMs: number[] = []
  const begin = async (): Promise<RunningProgram> => {
    startsMs.push(clock.monotonicMs())
    throw new Error('down')
  }
  const options = { file: join(await folderOf(t), 'console'), bytesMax: 10_000 }
  const console = new ConsoleRecorder(options, { clock, begin, endSession: async () => {} })
  const reader = console.read()[Symbol.asyncIterator]()
  // The record of each failure is on disk before the pause begins.
  for (const pauseMs of [1, 2, 4, 8, 16, 32, 60, 60]) {
    t.like(await reader.next(), { value: { kind: 'ended', reason: 'down' } })
    while (clock.sleepers() === 0) await new Promise((resolve) => setImmediate(resolve))
    await clock.advance(pauseMs * 1_000)
  }
  const gaps = startsMs.slice(1).map((startMs, index) => startMs - (startsMs[index] ?? 0))
  t.deepEqual(
    gaps.slice(0, 7),
    [1, 2, 4, 8, 16, 32, 60].map((seconds) => seconds * 1_000),
  )
  await console.close()
})

test('a recording keeps its newest half and the half before it', async (t) => {
  const file = join(await folderOf(t), 'console')
  const first = new Recording(file, 20)
  await first.write(Buffer.from('0123456789abcdef'))
  await first.close()
  const second = new Recording(file, 20)
  await second.write(Buffer.from('ghijklmnopqrstuvwxyz'))
  await second.close()
  t.is(await readFile(`${file}.1`, 'utf8'), 'klmnopqrst')
  t.is(await readFile(file, 'utf8'), 'uvwxyz')
})

test('a slow reader loses the oldest output and is told how much', async (t) => {
  const readers = new Readers()
  const slow = readers.add()
  for (let index = 0; index < 10; index += 1) {
    readers.tell({ kind: 'output', atMs: index, bytes: Buffer.alloc(64 * 1024, index) })
  }
  readers.end()
  const seen = await Array.fromAsync(slow)
  t.deepEqual(seen[0], { kind: 'skipped', bytes: 6 * 64 * 1024 })
  t.deepEqual(
    seen.slice(1).map((event) => (event.kind === 'output' ? event.bytes[0] : undefined)),
    [6, 7, 8, 9],
  )
})

test('a reader ends with its signal, and one of a console that is over at once', async (t) => {
  const readers = new Readers()
  const stop = new AbortController()
  const reading = Array.fromAsync(readers.add(stop.signal))
  readers.tell({ kind: 'began', atMs: 1 })
  stop.abort()
  t.deepEqual(await reading, [{ kind: 'began', atMs: 1 }])
  readers.end()
  t.deepEqual(await Array.fromAsync(readers.add()), [])
})

test('a program’s input stays open, its last words are kept, and one that is missing says so', async (t) => {
  const echo = 'printf out; printf "the reason" >&2; read -r line; exit 1'
  const program = startProgram('sh', ['-c', echo], {})
  const iterator = program.output[Symbol.asyncIterator]()
  t.is(Buffer.from((await iterator.next()).value ?? []).toString(), 'out')
  program.stop()
  t.is(await program.ended, 'the reason')
  const missing = startProgram('purlin-no-such-program', [], {})
  for await (const _ of missing.output) t.fail()
  t.regex(await missing.ended, /purlin-no-such-program/)
})
